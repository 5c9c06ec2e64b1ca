use super::*;

/// Plays events against a core and writes what it orders, one line per event.
struct Script {
    core: Core,
    text: String,
}

impl Script {
    fn new(role: DatabaseState, differential: bool) -> Script {
        Script { core: Core::new(role, differential, 2), text: String::new() }
    }

    fn on(&mut self, name: &str, event: Event) -> &mut Script {
        let commands = self.core.on(event, 7);
        let orders: Vec<_> = commands.iter().map(|c| format!("{c:?}")).collect();
        self.text += &format!("{name} -> {} [{}]\n", orders.join(", "), self.core.phase().name());
        self
    }

    fn greet(&mut self) -> &mut Script {
        self.on("resume", Event::Resume).on("greeted", Event::Greeted { now: Timestamp(50) })
    }

    fn tell(&mut self, told: [Told; 2]) -> &mut Script {
        let [a, b] = told;
        self.on("p0", Event::Answered { partition: 0, told: a });
        self.on("p1", Event::Answered { partition: 1, told: b })
    }

    fn reach(&mut self, time: u64) -> &mut Script {
        self.on("reached", Event::Reached { time: Timestamp(time), consistent: true })
    }

    fn break_off(&mut self) -> &mut Script {
        self.on("broken", Event::Broken { error: Error::internal("cut") })
    }
}

fn go_on(end: u64) -> Told {
    Told::Continue { end: Lsn(end), cut: None }
}

fn base(empty: bool) -> Told {
    Told::Base { empty, reason: "log gone".into(), diverged: Some((Lsn(3), Timestamp(9))) }
}

#[track_caller]
fn check(script: &Script, want: &str) {
    let want: Vec<_> = want.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(script.text.lines().collect::<Vec<_>>(), want, "\n{}", script.text);
}

#[test]
fn way_back_that_is_too_long_ends_in_a_full_copy() {
    let mut s = Script::new(DatabaseState::Rewinding { since_ms: 1 }, true);
    let back = |end| Told::Rewind { common: Lsn(end), cut: Timestamp(9) };
    s.greet().tell([back(3), go_on(4)]);
    s.on("too old", Event::TooOld { reason: "chunks".into() });
    s.on("renewed", Event::Renewed { role: DatabaseState::Copying });
    let forks = "[Fork { partition: 0, common: Lsn(3), cut: Timestamp(9) }]";
    check(
        &s,
        &format!(
            "resume -> Connect [connecting]
             greeted -> Ask [connecting]
             p0 ->  [connecting]
             p1 -> Rewind({forks}) [rewinding]
             too old -> Renew {{ reason: \"chunks\", forks: {forks} }} [comparing]
             renewed -> Ask [connecting]"
        ),
    );
}

#[test]
fn first_copy_from_the_log() {
    let mut s = Script::new(DatabaseState::Copying, false);
    s.greet().tell([go_on(0), go_on(0)]).reach(49).reach(50);
    check(
        &s,
        "resume -> Connect [connecting]
         greeted -> Ask [connecting]
         p0 ->  [connecting]
         p1 -> Report(None), Follow [catching up]
         reached ->  [catching up]
         reached -> Become(Standby) [streaming]",
    );
}

#[test]
fn first_copy_from_a_base() {
    let mut s = Script::new(DatabaseState::Copying, false);
    s.greet().tell([base(true), go_on(0)]).on("done", Event::Done);
    s.tell([go_on(8), go_on(0)]);
    check(
        &s,
        "resume -> Connect [connecting]
         greeted -> Ask [connecting]
         p0 ->  [connecting]
         p1 -> Copy([0]) [copying]
         done -> Ask [connecting]
         p0 ->  [connecting]
         p1 -> Report(None), Follow [catching up]",
    );
}

#[test]
fn broken_links_are_tried_again_ever_more_slowly() {
    let mut s = Script::new(DatabaseState::Standby, false);
    s.on("resume", Event::Resume);
    for _ in 0..3 {
        s.break_off().on("due", Event::Due);
    }
    s.on("late", Event::Done).on("late", Event::Due);
    let hint = "this is a bug in Antipode; please report it with the statement and the log";
    let report = format!("Report(Some(\"cut ({hint})\"))");
    check(
        &s,
        &format!(
            "resume -> Connect [connecting]
             broken -> HangUp, Wait {{ ms: 100 }}, {report} [failed]
             due -> Connect [connecting]
             broken -> HangUp, Wait {{ ms: 200 }}, {report} [failed]
             due -> Connect [connecting]
             broken -> HangUp, Wait {{ ms: 400 }}, {report} [failed]
             due -> Connect [connecting]
             late ->  [connecting]
             late ->  [connecting]"
        ),
    );
}

#[test]
fn coming_back_by_difference() {
    let mut s = Script::new(DatabaseState::Rewinding { since_ms: 1 }, true);
    let cut = Some(Timestamp(9));
    s.greet();
    s.tell([
        Told::Rewind { common: Lsn(4), cut: Timestamp(9) },
        Told::Continue { end: Lsn(6), cut },
    ]);
    s.on("done", Event::Done);
    s.tell([Told::Continue { end: Lsn(4), cut }, Told::Continue { end: Lsn(6), cut }]).reach(60);
    let fork = |p: u16, common: u64| {
        format!("Fork {{ partition: {p}, common: Lsn({common}), cut: Timestamp(9) }}")
    };
    check(
        &s,
        &format!(
            "resume -> Connect [connecting]
             greeted -> Ask [connecting]
             p0 ->  [connecting]
             p1 -> Rewind([{}, {}]) [rewinding]
             done -> Ask [connecting]
             p0 ->  [connecting]
             p1 -> Report(None), Follow [catching up]
             reached -> Become(Standby) [streaming]",
            fork(0, 4),
            fork(1, 6)
        ),
    );
}

/// What it has in chunks above the cut would stay there if it merely followed.
#[test]
fn standby_whose_source_was_promoted_unseen_goes_back_to_the_cut_first() {
    let mut s = Script::new(DatabaseState::Standby, false);
    let cut = Some(Timestamp(9));
    s.greet().tell([Told::Continue { end: Lsn(6), cut }, go_on(3)]);
    assert!(s.text.contains("Become(Rewinding"), "{}", s.text);
    assert_eq!(s.core.phase(), Phase::Rewinding);
    s.on("done", Event::Done);
    s.tell([Told::Continue { end: Lsn(6), cut }, go_on(3)]);
    assert!(s.text.ends_with("p1 -> Report(None), Follow [catching up]\n"), "{}", s.text);
}

#[test]
fn first_copy_of_a_promoted_source_just_follows() {
    let mut s = Script::new(DatabaseState::Copying, false);
    let cut = Some(Timestamp(9));
    s.greet().tell([Told::Continue { end: Lsn(6), cut }, go_on(3)]);
    assert!(s.text.ends_with("p1 -> Report(None), Follow [catching up]\n"), "{}", s.text);
}

#[test]
fn diverged_standby_needs_force_differential() {
    let mut s = Script::new(DatabaseState::Standby, false);
    s.greet().tell([Told::Rewind { common: Lsn(4), cut: Timestamp(9) }, go_on(3)]);
    assert!(s.text.contains("this database has changes that its source does not have"));
    assert_eq!(s.core.phase(), Phase::Waiting);
}

#[test]
fn log_that_is_gone_is_announced_and_saved_from_before_a_full_copy() {
    let mut s = Script::new(DatabaseState::Rewinding { since_ms: 1 }, true);
    s.greet().tell([base(false), go_on(3)]);
    s.on("renewed", Event::Renewed { role: DatabaseState::Copying });
    s.tell([base(true), go_on(0)]);
    check(
        &s,
        "resume -> Connect [connecting]
         greeted -> Ask [connecting]
         p0 ->  [connecting]
         p1 -> Renew { reason: \"log gone\", forks: [Fork { partition: 0, common: Lsn(3), cut: Timestamp(9) }] } [comparing]
         renewed -> Ask [connecting]
         p0 ->  [connecting]
         p1 -> Copy([0]) [copying]",
    );
}

#[test]
fn partitions_made_by_content_are_followed_at_once_and_the_standby_stays_one() {
    let mut s = Script::new(DatabaseState::Standby, false);
    s.greet().tell([base(false), go_on(3)]);
    s.on("renewed", Event::Renewed { role: DatabaseState::Standby });
    s.tell([go_on(8), go_on(9)]).reach(50);
    assert!(s.text.ends_with(
        "renewed -> Ask [connecting]\np0 ->  [connecting]\np1 -> Report(None), Follow [catching \
         up]\nreached ->  [streaming]\n"
    ));
}

#[test]
fn work_is_not_interrupted() {
    let mut s = Script::new(DatabaseState::Copying, false);
    s.greet().tell([base(true), base(true)]);
    s.on("stop", Event::Stop).on("pause", Event::Pause).break_off().on("done", Event::Done);
    s.on("resume", Event::Resume);
    assert!(s.text.ends_with(
        "p1 -> Copy([0, 1]) [copying]\nstop ->  [copying]\npause ->  [copying]\nbroken ->  \
         [copying]\ndone -> HangUp, End [ended]\nresume ->  [ended]\n"
    ));
}

#[test]
fn pause_holds_until_resume() {
    let mut s = Script::new(DatabaseState::Standby, false);
    s.greet().tell([go_on(1), go_on(1)]);
    s.on("pause", Event::Pause).break_off().on("due", Event::Due).on("resume", Event::Resume);
    assert!(s.text.ends_with(
        "pause -> HangUp [paused]\nbroken ->  [paused]\ndue ->  [paused]\nresume -> Connect \
         [connecting]\n"
    ));
}

#[test]
fn role_that_could_not_be_made_durable_is_taken_at_the_next_try() {
    let mut s = Script::new(DatabaseState::Rewinding { since_ms: 1 }, true);
    s.greet().tell([go_on(1), go_on(1)]).reach(50);
    assert!(s.text.ends_with("reached -> Become(Standby) [streaming]\n"));
    s.core.correct_role(DatabaseState::Rewinding { since_ms: 1 });
    s.break_off().on("due", Event::Due).on("greeted", Event::Greeted { now: Timestamp(60) });
    s.tell([go_on(2), go_on(2)]).reach(60);
    assert!(s.text.ends_with("reached -> Become(Standby) [streaming]\n"));
}

#[test]
fn work_that_could_not_even_begin_is_tried_again() {
    let mut s = Script::new(DatabaseState::Standby, true);
    s.greet().tell([Told::Rewind { common: Lsn(4), cut: Timestamp(9) }, go_on(3)]);
    assert!(s.core.at_work());
    s.on("failed", Event::Failed { error: Error::internal("disk full") });
    assert!(s.text.contains("failed -> HangUp, Wait { ms: 100 }, Report"));
}
