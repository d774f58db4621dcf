//! One file for each concern. Whatever is allowed has twins beside it that lack one fact and are refused.

mod admission;
mod asked;
mod authorities;
mod breach;
mod browser;
mod budgets;
mod crashes;
mod curl;
mod cuts;
mod denied;
mod forwarding;
mod hardened;
mod held;
mod kept;
mod manual;
mod manual_walk;
mod mistakes;
mod operations;
mod past;
mod policy_claims;
mod policy_tests;
mod recorded;
mod shadow;
mod sign_in;
mod step_up;
mod theft;
