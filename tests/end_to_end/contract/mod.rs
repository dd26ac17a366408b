//! What a correct provider must do, item by item: the checklist of the driver's contract. Each test shows it on the
//! server's own socket, or on the real binary.

mod actor;
mod bounds;
mod calls;
mod connections;
mod content;
mod frames;
mod protocol;
mod raw;
mod shutdown;
mod tonic;
