use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn over_time_no_more_is_sent_than_the_limit_allows() {
    let (mut budget, limit) = (Budget::default(), Some(1_000_000));
    let (mut now, mut sent) = (ms(0), 0_u64);
    while now < ms(10_000) {
        if budget.wait(now, limit) == Duration::ZERO {
            budget.pay(now, 30_000, limit);
            sent += 30_000;
        }
        now += ms(7);
    }
    // A sender that looks every 7 ms loses up to that much of each 30.
    assert!((8_000_000..=10_030_000).contains(&sent), "{sent}");
}

#[test]
fn several_senders_share_one_budget() {
    let (mut budget, limit) = (Budget::default(), Some(1_000));
    assert_eq!(budget.wait(ms(5), limit), Duration::ZERO);
    budget.pay(ms(5), 100, limit);
    budget.pay(ms(5), 100, limit);
    assert_eq!(budget.wait(ms(5), limit), ms(200));
    assert_eq!(budget.wait(ms(205), limit), Duration::ZERO);
}

#[test]
fn without_a_limit_nobody_waits_and_nothing_is_owed_later() {
    let mut budget = Budget::default();
    budget.pay(ms(1), 1 << 40, Some(1));
    assert_eq!(budget.wait(ms(2), None), Duration::ZERO);
    budget.pay(ms(2), 1 << 40, None);
    assert_eq!(budget.wait(ms(2), Some(1)), Duration::ZERO, "the old debt is forgotten");
}

#[test]
fn idle_time_is_not_saved_up() {
    let (mut budget, limit) = (Budget::default(), Some(1_000));
    budget.pay(ms(0), 500, limit);
    budget.pay(ms(60_000), 500, limit);
    assert_eq!(budget.wait(ms(60_000), limit), ms(500));
}

#[test]
fn pieces_are_small_under_a_low_limit() {
    let piece = |limit| Terms { held: false, limit }.piece();
    assert_eq!(piece(None), 256 << 10);
    assert_eq!(piece(Some(80_000)), 10_000);
    assert_eq!(piece(Some(5_000)), 4 << 10);
    assert_eq!(piece(Some(1 << 40)), 256 << 10);
}
