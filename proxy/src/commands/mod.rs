//! The command line. Exit codes: 0 fine, 1 a check failed, 2 wrong usage, 3 could not do it.

pub mod enroll;
