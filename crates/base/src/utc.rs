//! Hybrid time for people.

use crate::position::Timestamp;

const DAY_MS: u64 = 86_400_000;
const DAYS_OF_400_YEARS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is last.
const EPOCH_FROM_MARCH_0: u64 = 719_468;

impl Timestamp {
    /// The wall clock's part as PostgreSQL prints a `timestamptz` in UTC:
    /// `2026-11-29 08:10:11.123+00`.
    pub fn utc(self) -> String {
        let (days, ms) = (self.ms() / DAY_MS + EPOCH_FROM_MARCH_0, self.ms() % DAY_MS);
        let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * day + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        let day = day - (153 * from_march + 2) / 5 + 1;
        let year = cycle * 400 + year + u64::from(month <= 2);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1000 % 60, ms % 1000);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}+00")
    }
}

#[cfg(test)]
mod tests {
    use crate::Timestamp;

    #[test]
    fn days_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00.000+00"),
            (951_782_400_123, "2000-02-29 00:00:00.123+00"),
            (1_700_000_000_000, "2023-11-14 22:13:20.000+00"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999+00"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000+00"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).utc(), text);
        }
    }
}
