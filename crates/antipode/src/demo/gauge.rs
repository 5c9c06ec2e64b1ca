//! Live figures: what each region says of itself, a few times a second.

use super::fault::{Fault, Result};
use super::journal::Journal;
use super::region::{DATABASE, Region};
use super::screen::Screen;
use crate::client::Target;
use crate::start::ADMIN_DATABASE;
use crate::views::{self, Link};
use crate::words;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One region as the gauge sees it. Loses and finds its connection by itself.
struct Seat {
    name: &'static str,
    target: Target,
    client: Option<Client>,
    role: String,
    link: Option<Link>,
}

impl Seat {
    fn new(region: &Region) -> Seat {
        let target = region.target().clone();
        Seat { name: region.name(), target, client: None, role: String::new(), link: None }
    }

    async fn look(&mut self) {
        let seen = async {
            if self.client.as_ref().is_none_or(Client::is_closed) {
                self.client = Some(self.target.connect(ADMIN_DATABASE).await?);
            }
            let Some(client) = &self.client else { return Ok(()) };
            let databases = views::databases(client).await?;
            let found = databases.into_iter().find(|d| d.name == DATABASE);
            self.role = found.map_or_else(|| "empty".into(), |d| d.role);
            let links = views::links(client).await?;
            self.link = links.into_iter().find(|l| l.database == DATABASE && l.is_target);
            Ok::<(), tokio_postgres::Error>(())
        };
        if seen.await.is_err() {
            self.client = None;
            self.role = "down".into();
            self.link = None;
        }
    }

    fn tell(&self) -> String {
        let mut text = format!("{} {}", self.name, self.role);
        if let Some(link) = &self.link {
            let shown = |n: Option<u64>, unit: fn(u64) -> String| n.map_or("?".into(), unit);
            text.push_str(&format!(
                " ({}: {} rows, {}, {} ms behind)",
                link.state,
                shown(link.lag_rows, words::count),
                shown(link.lag_bytes, words::bytes),
                shown(link.lag_ms, words::count),
            ));
        }
        text
    }
}

/// Watches both regions and the clients.
pub struct Gauge<'a> {
    screen: &'a Screen,
    journal: Arc<Journal>,
    seats: [Seat; 2],
    last: (Instant, u64),
    rate: f64,
}

impl<'a> Gauge<'a> {
    /// A gauge for both regions.
    pub fn new(screen: &'a Screen, journal: Arc<Journal>, both: [&Region; 2]) -> Gauge<'a> {
        let last = (Instant::now(), journal.commits());
        Gauge { screen, journal, seats: both.map(Seat::new), last, rate: 0.0 }
    }

    async fn look(&mut self) {
        for seat in &mut self.seats {
            seat.look().await;
        }
        let (then, before) = self.last;
        let passed = then.elapsed().as_secs_f64();
        if passed >= 0.5 {
            let commits = self.journal.commits();
            self.rate = (commits - before) as f64 / passed;
            self.last = (Instant::now(), commits);
        }
        let [east, west] = &self.seats;
        self.screen.live(format!(
            "{} commits, {}/s │ {} │ {}",
            words::count(self.journal.commits()),
            words::count(self.rate as u64),
            east.tell(),
            west.tell()
        ));
    }

    /// Shows the figures for a while.
    pub async fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look().await;
            tokio::time::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Shows the figures until a region's link satisfies a wish. The link's own error ends the wait.
    pub async fn until(
        &mut self,
        region: &'static str,
        wish: &str,
        limit: Duration,
        fulfilled: impl Fn(&str, &Link) -> bool,
    ) -> Result<Link> {
        let end = Instant::now() + limit;
        loop {
            self.look().await;
            let seat = self.seats.iter().find(|s| s.name == region);
            if let Some(seat) = seat
                && let Some(link) = &seat.link
                && fulfilled(&seat.role, link)
            {
                return Ok(link.clone());
            }
            if Instant::now() > end {
                let state = seat.map(Seat::tell).unwrap_or_default();
                let error = seat.and_then(|s| s.link.as_ref()?.error.clone()).unwrap_or_default();
                return Err(Fault::new(format!("{wish}: not within {limit:?}; {state} {error}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
