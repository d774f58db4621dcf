//! The whole house from outside, with real parts: see `house/` for the stories and `house/harness/` for what tells them.
