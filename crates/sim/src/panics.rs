//! Panics inside tasks: the runtime swallows them, so a hook keeps them per thread (a run is one
//! thread).

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Begins to keep this thread's panics.
pub fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A panic while the thread ends has nobody to be told to.
            let _ = SEEN.try_with(|seen| seen.borrow_mut().push(info.to_string()));
            before(info);
        }));
    });
    SEEN.with(|seen| seen.borrow_mut().clear());
}

/// The first panic of this thread since it was watched.
pub fn first() -> Option<String> {
    SEEN.with(|seen| seen.borrow().first().cloned())
}
