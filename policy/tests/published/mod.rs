//! Cedar's published cases.
