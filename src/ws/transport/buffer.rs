//! The read buffer: each worker has one for all its sockets.

use std::cell::RefCell;

/// The most bytes read at once.
pub const READ_BYTES: u32 = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES as usize]);
}

/// Lends the buffer of this thread. It must not be lent twice at the same time.
pub fn with_buffer<T>(read: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    BUFFER.with_borrow_mut(read)
}
