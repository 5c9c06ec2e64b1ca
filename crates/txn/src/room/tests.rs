use super::*;
use meta::Bootstrap;

fn room(soft: usize, hard: usize, pending: usize, total: usize) -> Arc<Room> {
    let bootstrap = Bootstrap {
        cluster_id: base::ClusterId(1),
        name: "east".into(),
        node: base::NodeId(1),
        superuser: "root".into(),
        password: "secret".into(),
    };
    let mut settings = EngineSettings::new("/data".into(), bootstrap);
    (settings.delta_bytes, settings.delta_limit) = (soft, hard);
    (settings.pending_limit, settings.row_limit) = (pending, total);
    Room::new(&settings)
}

#[test]
fn who_finds_no_room_waits_until_there_is_some() {
    env::sim::run(1, |world| async move {
        let env = world.node().env();
        let room = room(100, 200, 1000, usize::MAX);
        room.wait(&env).await.expect("empty");
        room.note(201);
        let (waiting, spilling) = (room.clone(), room.clone());
        let began = env.clock.monotonic();
        let spill = async {
            spilling.wanted().await;
            env.sleep(Duration::from_secs(3)).await;
            spilling.measure(|| 150);
        };
        let (waited, ()) = futures::join!(waiting.wait(&env), spill);
        waited.expect("room");
        assert!(env.clock.monotonic() - began >= Duration::from_secs(3));
        assert_eq!(room.delta_bytes(), 150);
    });
}

#[test]
fn nobody_waits_for_ever_and_only_far_too_much_is_refused() {
    env::sim::run(2, |world| async move {
        let env = world.node().env();
        let room = room(100, 200, 1000, usize::MAX);
        room.measure(|| 500);
        let refused = room.wait(&env).await.expect_err("nobody makes room");
        assert_eq!(refused.state, SqlState::OUT_OF_MEMORY);
        assert_eq!(refused.outcome, base::Outcome::NotApplied);
        assert_eq!(env.clock.monotonic(), WAIT_MAX);
        room.measure(|| 300);
        room.wait(&env).await.expect("goes on");
        assert_eq!(env.clock.monotonic(), 2 * WAIT_MAX);
        room.slow_down(&env).await;
        assert_eq!(env.clock.monotonic(), 2 * WAIT_MAX + SLOW_MAX);
    });
}

#[test]
fn what_transactions_write_is_counted_while_they_run() {
    let room = room(100, 300, 500, 600);
    let mut first = PendingBytes::new(room.clone());
    first.grow_to(200).expect("little");
    first.grow_to(400).expect("within the limit");
    assert_eq!(room.delta_limit(), 200, "both together have a limit");
    let mut second = PendingBytes::new(room.clone());
    assert_eq!(second.grow_to(150).expect_err("too much").state, SqlState::OUT_OF_MEMORY);
    drop(second);
    assert_eq!(room.pending(), (400, 500));
    drop(first);
    assert_eq!((room.pending().0, room.delta_limit()), (0, 300));
}
