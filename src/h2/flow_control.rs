//! Flow control (RFC 9113, sections 5.2 and 6.9): a window for sending and one for receiving.

use super::settings::MAX_WINDOW;

/// What we may still send. Settings can make it negative (section 6.9.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// Octets that may be sent now.
    pub(super) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// `octets` were sent; not more than [`SendWindow::available`].
    pub(super) fn consume(&mut self, octets: usize) {
        self.0 -= i64::try_from(octets).unwrap_or(i64::MAX);
    }

    /// A WINDOW_UPDATE, or the difference between two initial sizes. False if the window would grow past
    /// 2³¹−1.
    #[must_use]
    pub(super) fn shift(&mut self, octets: i64) -> bool {
        self.0 += octets;
        self.0 <= i64::from(MAX_WINDOW)
    }
}

/// What the peer may still send, and what is not released yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecvWindow {
    /// The size that the window returns to when everything received has been released.
    size: u32,
    /// What the peer may still send. Negative after our settings have shrunk it (section 6.9.2).
    open: i64,
    /// Released, but not announced yet.
    unannounced: u32,
}

impl RecvWindow {
    pub(super) fn new(size: u32) -> Self {
        Self {
            size,
            open: i64::from(size),
            unannounced: 0,
        }
    }

    /// The peer sent `octets`. False if it was not allowed to.
    #[must_use]
    pub(super) fn consume(&mut self, octets: usize) -> bool {
        self.open -= i64::try_from(octets).unwrap_or(i64::MAX);
        self.open >= 0
    }

    /// Releases `octets` that were received. Returns an increment to announce once half the window is released.
    #[must_use]
    pub(super) fn release(&mut self, octets: usize) -> Option<u32> {
        self.unannounced = self
            .unannounced
            .saturating_add(u32::try_from(octets).unwrap_or(u32::MAX));
        self.announce_half()
    }

    /// Grows the window permanently by `octets`. Returns the increment to announce.
    #[must_use]
    pub(super) fn grow(&mut self, octets: u32) -> Option<u32> {
        let octets = octets.min(MAX_WINDOW.saturating_sub(self.size));
        self.size += octets;
        self.unannounced = self.unannounced.saturating_add(octets);
        (self.unannounced > 0).then(|| self.announce())
    }

    /// The initial size changed from `old` to `new` while the window was in use. Returns an increment to announce:
    /// what was less than half of the larger window may be all that is left of the smaller one.
    #[must_use]
    pub(super) fn resize(&mut self, old: u32, new: u32) -> Option<u32> {
        self.size = self.size.saturating_sub(old).saturating_add(new);
        self.open += i64::from(new) - i64::from(old);
        self.announce_half()
    }

    fn announce_half(&mut self) -> Option<u32> {
        (self.unannounced > 0 && self.unannounced >= self.size / 2).then(|| self.announce())
    }

    fn announce(&mut self) -> u32 {
        let increment = std::mem::take(&mut self.unannounced);
        self.open += i64::from(increment);
        increment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_can_make_a_send_window_negative() {
        let mut window = SendWindow::new(65_535);
        window.consume(60_000);
        assert!(window.shift(-65_535));
        assert_eq!(window.available(), 0);
        assert!(window.shift(60_000));
        assert_eq!(window.available(), 0);
        assert!(window.shift(10));
        assert_eq!(window.available(), 10);
    }

    #[test]
    fn a_send_window_ends_at_its_maximum() {
        let mut window = SendWindow::new(1);
        assert!(window.shift(i64::from(MAX_WINDOW) - 1));
        assert!(!window.shift(1));
    }

    #[test]
    fn all_that_is_released_is_announced_in_worthwhile_steps() {
        let mut window = RecvWindow::new(1000);
        assert!(window.consume(1000));
        assert_eq!(window.release(499), None);
        assert_eq!(window.release(1), Some(500));
        assert_eq!(window.release(499), None);
        assert!(window.consume(500));
        assert!(!window.consume(1));
    }

    #[test]
    fn growing_announces_at_once_and_stays() {
        let mut window = RecvWindow::new(100);
        assert_eq!(window.grow(900), Some(900));
        assert!(window.consume(1000));
        assert_eq!(window.release(499), None);
        assert_eq!(window.release(1), Some(500));
    }

    #[test]
    fn our_own_settings_shrink_a_window_in_use() {
        let mut window = RecvWindow::new(65_535);
        assert!(window.consume(60_000));
        assert_eq!(window.resize(65_535, 16_384), None);
        assert_eq!(window.release(60_000), Some(60_000));
        assert!(window.consume(16_384));
        assert!(!window.consume(1));
    }
}
