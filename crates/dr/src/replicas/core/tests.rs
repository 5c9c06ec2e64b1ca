use super::*;

fn seen(now_ms: u64) -> Seen {
    Seen {
        now_ms,
        now: Timestamp::from_ms(now_ms),
        wanted: Wanted::Running,
        forced: false,
        frequency_ms: 60_000,
        connected: true,
        replicated: Timestamp::ZERO,
        sent: now_ms,
    }
}

fn noted(todo: &[Do]) -> Option<&Cycle> {
    todo.iter().find_map(|d| if let Do::Note(cycle) = d { Some(cycle) } else { None })
}

#[test]
fn cycles_begin_every_so_often_and_end_when_the_target_has_their_cut() {
    let mut core = Core::default();
    assert!(core.tick(&seen(1_000)).is_empty());
    assert_eq!(core.open().unwrap().goal, Timestamp::from_ms(1_000));
    let behind = Seen { replicated: Timestamp::from_ms(999), ..seen(3_000) };
    assert!(core.tick(&behind).is_empty());
    let there = Seen { replicated: Timestamp::from_ms(1_000), ..seen(4_000) };
    let todo = core.tick(&there);
    let cycle = noted(&todo).unwrap();
    assert_eq!((cycle.state, cycle.cut), (CycleState::Done, Timestamp::from_ms(1_000)));
    assert_eq!((cycle.started_ms, cycle.ended_ms, cycle.sent_bytes), (1_000, 4_000, 3_000));
    assert!(core.open().is_none(), "the next one is not due");
    core.tick(&Seen { replicated: Timestamp::from_ms(60_999), ..seen(60_999) });
    assert!(core.open().is_none());
    core.tick(&Seen { replicated: Timestamp::from_ms(60_999), ..seen(61_000) });
    assert_eq!(core.open().unwrap().goal, Timestamp::from_ms(61_000));
}

#[test]
fn cycle_that_takes_longer_than_its_frequency_is_followed_by_the_next_at_once() {
    let mut core = Core::default();
    core.tick(&seen(0));
    let late = Seen { replicated: Timestamp::from_ms(100_000), ..seen(100_000) };
    assert!(noted(&core.tick(&late)).is_some());
    assert_eq!(core.open().unwrap().started_ms, 100_000);
}

#[test]
fn without_cycles_the_time_up_to_the_pause_is_one() {
    let mut core = Core::default();
    let endless = |ms| Seen { frequency_ms: 0, replicated: Timestamp::from_ms(ms), ..seen(ms) };
    core.tick(&endless(0));
    assert!(core.tick(&endless(500_000)).is_empty());
    let todo = core.tick(&Seen { wanted: Wanted::Paused, ..endless(600_000) });
    assert_eq!(noted(&todo).unwrap().state, CycleState::Paused);
    assert!(core.tick(&Seen { wanted: Wanted::Paused, ..endless(700_000) }).is_empty());
}

#[test]
fn forced_cycle_ends_in_a_pause_again() {
    let mut core = Core::default();
    let paused = |ms| Seen { wanted: Wanted::Paused, frequency_ms: 0, ..seen(ms) };
    assert!(core.tick(&paused(0)).is_empty());
    let forced = |ms| Seen { forced: true, ..paused(ms) };
    core.tick(&forced(1_000));
    let todo = core.tick(&Seen { replicated: Timestamp::from_ms(1_000), ..forced(2_000) });
    assert_eq!(noted(&todo).unwrap().state, CycleState::Done);
    assert_eq!(todo.last(), Some(&Do::Hold));
    assert!(core.tick(&paused(3_000)).is_empty() && core.open().is_none());
}

#[test]
fn silent_target_is_called_again_and_again_but_not_while_it_may_come_by_itself() {
    let mut core = Core::default();
    let silent = |ms| Seen { connected: false, ..seen(ms) };
    let mut called = Vec::new();
    for ms in (0..60_000).step_by(100) {
        if core.tick(&silent(ms)).contains(&Do::Invite) {
            called.push(ms);
        }
    }
    assert_eq!(called[..5], [2_000, 3_000, 5_000, 9_000, 17_000]);
    core.failed("nobody answers".into());
    assert_eq!(core.error(), Some("nobody answers"));
    core.tick(&seen(60_000));
    assert_eq!(core.error(), None, "it is heard again");
    assert!(!core.tick(&silent(61_000)).contains(&Do::Invite));
    let paused = Seen { wanted: Wanted::Paused, ..silent(90_000) };
    assert!(!core.tick(&paused).contains(&Do::Invite));
}

#[test]
fn database_that_is_no_primary_any_more_has_no_cycle() {
    let mut core = Core::default();
    core.tick(&seen(0));
    let todo = core.tick(&Seen { wanted: Wanted::NotStarted, ..seen(5_000) });
    assert_eq!(noted(&todo).unwrap().state, CycleState::Ended);
    assert!(core.tick(&Seen { wanted: Wanted::NotStarted, ..seen(6_000) }).is_empty());
}

#[test]
fn forced_cycle_begins_when_it_is_ordered_even_right_after_the_pause() {
    let mut core = Core::default();
    core.tick(&seen(1_000));
    let at = Timestamp::from_ms(1_000);
    let forced = |ms| Seen { wanted: Wanted::Paused, forced: true, replicated: at, ..seen(ms) };
    let todo = core.tick(&forced(1_050));
    assert_eq!(noted(&todo).unwrap().state, CycleState::Paused);
    assert!(!todo.contains(&Do::Hold));
    assert_eq!(core.open().unwrap().goal, Timestamp::from_ms(1_050));
    let there = Seen { replicated: Timestamp::from_ms(1_050), ..forced(1_200) };
    assert!(core.tick(&there).contains(&Do::Hold));
}
