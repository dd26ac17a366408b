//! Exits with success if a panic runs destructors, can be caught, and leaves the other threads alone.

use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

static DROPPED: AtomicBool = AtomicBool::new(false);

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.store(true, Ordering::SeqCst);
    }
}

fn main() -> ExitCode {
    let caught = panic::catch_unwind(|| {
        let _guard = Guard;
        panic!("expected");
    });
    let thread = std::thread::spawn(|| panic!("expected as well")).join();
    match (caught, thread, DROPPED.load(Ordering::SeqCst)) {
        (Err(_), Err(_), true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
