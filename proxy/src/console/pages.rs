//! The pages, each a struct of plain words with a `render`.

mod action;
mod devices;
mod enrol;
mod landing;
mod refusal;
mod send_again;
mod sign_in;
mod style;
#[cfg(test)]
mod tests;

pub use action::{Action, Target};
pub use devices::{DevicesPage, InvitedPage, OwnDeviceLine, OwnInvitationLine, OwnSessionLine, SurePage};
pub use enrol::EnrolPage;
pub use landing::{AppLink, DeviceLine, LandingPage, Person, SessionLine};
pub use refusal::{RefusalPage, Tone};
pub use send_again::SendAgainPage;
pub use sign_in::{ChooserPage, ProviderChoice, SignedOutPage};
pub use style::{content_security_policy, content_security_policy_with_forms_to};
