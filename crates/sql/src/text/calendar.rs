//! The Gregorian calendar, extended to all years, and the clock. Year 0 is 1 BC.

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400 * SECOND;

/// Years repeat after this many days.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is last.
const EPOCH_FROM_MARCH_0: i64 = 719_468;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) year: i32,
    pub(super) month: u32,
    pub(super) day: u32,
}

impl Day {
    /// The day, if the calendar has it.
    pub(super) fn new(year: i32, month: u32, day: u32) -> Option<Day> {
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        exists.then_some(Day { year, month, day })
    }

    /// Days since 1970-01-01.
    pub(super) fn to_days(self) -> i64 {
        let from_march = (i64::from(self.month) + 9) % 12;
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        let day = year * 365 + year / 4 - year / 100 + day_of_year;
        cycle * DAYS_OF_400_YEARS + day - EPOCH_FROM_MARCH_0
    }

    /// The inverse of [`Day::to_days`].
    pub(super) fn from_days(days: i64) -> Day {
        let days = days + EPOCH_FROM_MARCH_0;
        let (cycle, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        Day {
            year: (cycle * 400 + year + i64::from(month <= 2)) as i32,
            month: month as u32,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u32,
        }
    }
}

fn days_in(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
