//! What people see of the gate itself.
//!
//! Arrives: words, names and addresses. Leaves: pages and problem documents, with everything from outside escaped. Refused:
//! addresses that a browser would run or take for another site's. Nothing here waits.

pub mod admin;
mod pages;
mod problem;

pub use pages::{
    Action, AppLink, ChooserPage, DeviceLine, DevicesPage, EnrolPage, InvitedPage, LandingPage, OwnDeviceLine, OwnInvitationLine,
    OwnSessionLine, Person, ProviderChoice, RefusalPage, SendAgainPage, SessionLine, SignedOutPage, SurePage, Target, Tone,
    content_security_policy, content_security_policy_with_forms_to,
};
pub use problem::{PROBLEM_JSON, ProblemDetails, ProblemStepUp, problem_json};
