//! The way to the provider and back.
