//! What a correct provider must do, item by item: the checklist of the driver's contract. Each test is named after
//! its item and shows it on the server's own socket, or on the real binary.

#[path = "../support/actor.rs"]
mod actor;
mod bounds;
mod calls;
mod connections;
mod content;
#[path = "../../src/h2/testing/frames.rs"]
mod frames;
mod protocol;
mod raw;
mod shutdown;
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../end_to_end/world.rs"]
mod world;
