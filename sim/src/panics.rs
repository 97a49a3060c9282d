//! What a panic said. In a simulation a panic is a finding, not something to print.

use std::cell::{Cell, RefCell};
use std::sync::Once;

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics of this thread are kept instead of printed.
pub fn listen() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if LISTENING.get() {
                SAID.with_borrow_mut(|said| _ = said.get_or_insert_with(|| panic.to_string()));
            } else {
                before(panic);
            }
        }));
    });
    LISTENING.set(true);
    SAID.take();
}

/// Panics are printed again.
pub fn ignore() {
    LISTENING.set(false);
}

/// The first panic since this was asked.
pub fn take() -> Option<String> {
    SAID.take()
}
