//! Places for those who do something that few may do at once. Who finds none waits for one, within its time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// So many places.
pub struct Places {
    most: usize,
    taken: Mutex<usize>,
    left: Condvar,
}

impl Places {
    /// `most` places, all free.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::new(0),
            left: Condvar::new(),
        })
    }
}

/// A place, until it is dropped.
pub struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
}

impl Place {
    /// A place that is free, or becomes free within so much time.
    pub fn within(places: &Arc<Places>, time: Duration) -> Option<Self> {
        let taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, _) = places
            .left
            .wait_timeout_while(taken, time, |taken| *taken >= places.most)
            .unwrap_or_else(PoisonError::into_inner);
        if *taken >= places.most {
            return None;
        }
        *taken += 1;
        Some(Self(Arc::clone(places)))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn so_many_and_no_more() {
        let places = Places::new(2);
        let moment = Duration::from_millis(1);
        let (one, two) = (Place::within(&places, moment), Place::within(&places, moment));
        assert!(one.is_some() && two.is_some());
        assert!(Place::within(&places, moment).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Place::within(&places, Duration::from_secs(60)).is_some());
            drop(one);
            assert!(waiting.join().expect("no panic"));
        });
    }
}
