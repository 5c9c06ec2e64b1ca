use super::*;
use std::io::ErrorKind;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("antipode-env-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

#[test]
fn files_are_written_read_renamed_and_removed() {
    let (env, dir) = (env(), folder("files"));
    let disk = &env.disk;
    disk.create_dir(&dir.join("a/b")).unwrap();
    let path = dir.join("a/b/file");
    let file = disk.create(&path).unwrap();
    assert_eq!(disk.create(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    file.write_at(b"hello world", 4).unwrap();
    file.sync().unwrap();
    assert_eq!(file.len().unwrap(), 15);
    let mut buf = [0; 5];
    file.read_at(&mut buf, 10).unwrap();
    assert_eq!(&buf, b"world");
    assert_eq!(file.read_at(&mut buf, 11).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    disk.rename(&path, &dir.join("a/b/other")).unwrap();
    disk.replace(&dir.join("a/b/third"), b"x").unwrap();
    assert_eq!(disk.list(&dir.join("a/b")).unwrap(), ["other", "third"]);
    disk.link(&dir.join("a/b/other"), &dir.join("a/linked")).unwrap();
    let again = disk.link(&dir.join("a/b/other"), &dir.join("a/linked")).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    disk.remove(&dir.join("a/b/other")).unwrap();
    assert_eq!(disk.read(&dir.join("a/linked")).unwrap().len(), 15);
    assert_eq!(disk.read(&dir.join("a/b/third")).unwrap(), b"x");
    assert!(disk.free_bytes(&dir).unwrap() > 0);
    disk.remove_dir(&dir).unwrap();
    disk.remove_dir(&dir).unwrap();
    assert!(!disk.exists(&dir));
}

#[test]
fn a_folder_is_locked_once() {
    let (env, dir) = (env(), folder("lock"));
    env.disk.create_dir(&dir).unwrap();
    let held = env.disk.lock(&dir).unwrap();
    assert_eq!(env.disk.lock(&dir).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    env.disk.lock(&dir).unwrap();
    env.disk.remove_dir(&dir).unwrap();
}

#[tokio::test]
async fn tasks_end_and_tell() {
    let env = env();
    let (tx, rx) = tokio::sync::oneshot::channel();
    let inner = env.clone();
    let mut thread = env.tasks.spawn_thread(
        "test",
        Box::pin(async move {
            inner.sleep(Duration::from_millis(1)).await;
            let _ = tx.send(std::thread::current().name().map(str::to_owned));
        }),
    );
    assert_eq!(rx.await.unwrap().as_deref(), Some("test"));
    thread.join().await;
    let mut endless = env.tasks.spawn("endless", Box::pin(std::future::pending()));
    endless.abort();
    endless.join().await;
    assert_eq!(env.blocking(|| 7).await, Some(7));
    assert_ne!(env.rng.next_u64(), env.rng.next_u64());
}
