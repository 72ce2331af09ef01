//! What bytes are read into: each worker has one buffer for all its sockets.

use std::cell::RefCell;

/// What is read at once.
pub const READ_BYTES: u32 = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES as usize]);
}

/// Lends the buffer of this thread; not while it is lent.
pub fn with_buffer<T>(read: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    BUFFER.with_borrow_mut(read)
}
