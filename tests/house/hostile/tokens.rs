//! Bearer tokens and the keys that signed them.
