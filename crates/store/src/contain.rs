//! Turns panics of code that is fed with outside bytes into values.
//!
//! The database engine may panic on a file that something else has damaged, and the runtime panics on input that it
//! cannot decode. Neither may bring the node down or flood its log, so both run inside [`contain_panics`], which also
//! keeps the panic hook from printing. Panics elsewhere print as usual.

use std::{
    any::Any,
    cell::Cell,
    ops::Deref,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static CONTAINED_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `operation`; a panic inside it becomes its message.
///
/// # Errors
/// The text of the panic. Whatever `operation` was changing may be left half changed; the caller discards it.
pub fn contain_panics<T>(operation: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let _contained = Contained::enter();
    catch_unwind(AssertUnwindSafe(operation)).map_err(|payload| panic_text(payload.as_ref()))
}

/// A value whose destructor may panic, because closing a damaged database writes to it.
pub(crate) struct DropContained<T>(Option<T>);

impl<T> DropContained<T> {
    pub fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for DropContained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("the value is taken only by drop")
    }
}

impl<T> Drop for DropContained<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        if let Err(panic) = contain_panics(|| drop(value)) {
            tracing::error!(%panic, "closing the damaged database failed; it will be checked when it is opened again");
        }
    }
}

struct Contained;

impl Contained {
    fn enter() -> Self {
        CONTAINED_DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        CONTAINED_DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CONTAINED_DEPTH.with(Cell::get) == 0 {
                print(info);
            }
        }));
    });
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(contain_panics(|| -> u8 { panic!("bad {}", 7) }), Err("bad 7".to_owned()));
        assert_eq!(contain_panics(|| -> u8 { panic!("plain") }), Err("plain".to_owned()));
        assert_eq!(contain_panics(|| 3), Ok(3));
    }

    #[test]
    fn a_panicking_destructor_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("bomb");
            }
        }
        drop(DropContained::new(Bomb));
    }

    #[test]
    fn containment_ends_with_the_operation_even_when_nested() {
        let inner = contain_panics(|| contain_panics(|| -> u8 { panic!("inner") }));
        assert_eq!(inner, Ok(Err("inner".to_owned())));
        assert_eq!(CONTAINED_DEPTH.with(Cell::get), 0);
    }
}
