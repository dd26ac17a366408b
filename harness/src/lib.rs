//! A fake Alibaba Cloud, and the CSI driver's side of the socket.

pub mod driver;
pub mod process;
