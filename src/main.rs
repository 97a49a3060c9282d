//! nts
fn main() {}
