//! What the demonstration shows: bars and a live line on a terminal, plain lines elsewhere.

use crate::words;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The terminal, or the pipe.
pub struct Screen {
    bars: Option<MultiProgress>,
    live: Mutex<Live>,
}

struct Live {
    bar: Option<ProgressBar>,
    printed: Option<Instant>,
}

impl Screen {
    /// Bars if standard output is a terminal.
    pub fn new() -> Screen {
        let bars = std::io::stdout()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10)));
        Screen { bars, live: Mutex::new(Live { bar: None, printed: None }) }
    }

    /// A line that stays.
    pub fn say(&self, line: impl AsRef<str>) {
        match &self.bars {
            Some(bars) => {
                let _ = bars.println(line.as_ref());
            }
            None => {
                let mut out = std::io::stdout().lock();
                let _ = writeln!(out, "{}", line.as_ref());
                let _ = out.flush();
            }
        }
    }

    /// A heading that stays.
    pub fn act(&self, number: u8, title: &str) {
        self.say(format!("\n[{number}/6] {title}"));
    }

    /// Shows the newest figures: one line that changes, or a line each second.
    pub fn live(&self, line: String) {
        let mut live = self.live.lock();
        match &self.bars {
            Some(bars) => {
                let bar = live.bar.get_or_insert_with(|| {
                    let bar = bars.add(ProgressBar::new_spinner());
                    bar.set_style(style("  {spinner} {wide_msg}"));
                    bar.enable_steady_tick(Duration::from_millis(120));
                    bar
                });
                bar.set_message(line);
            }
            None if live.printed.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) => {
                live.printed = Some(Instant::now());
                drop(live);
                self.say(format!("  {line}"));
            }
            None => {}
        }
    }

    /// Takes the live line away.
    pub fn clear(&self) {
        if let Some(bar) = self.live.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A bar for work of known size.
    pub fn bar(&self, what: &'static str, total: u64) -> Bar<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            bar.set_style(style("  {msg} {wide_bar} {human_pos}/{human_len} {eta}"));
            bar.set_message(what);
            bar
        });
        Bar { screen: self, bar, what, total, quarter: 0, started: Instant::now() }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Progress of one piece of work.
pub struct Bar<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    quarter: u64,
    started: Instant,
}

impl Bar<'_> {
    /// So much is done.
    pub fn at(&mut self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done.min(self.total)),
            None => {
                // In a pipe: a line for every quarter.
                let reached = done.min(self.total) * 4 / self.total.max(1);
                if reached > self.quarter && reached < 4 {
                    self.quarter = reached;
                    self.screen.say(format!("  {}: {} %", self.what, reached * 25));
                }
            }
        }
    }

    /// All is done.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = words::count((self.total as f64 / seconds) as u64);
        let total = words::count(self.total);
        self.screen.say(format!("  {}: {total} in {seconds:.1} s ({rate}/s)", self.what));
    }
}
