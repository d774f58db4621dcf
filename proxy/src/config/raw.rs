//! What was written, without meaning: one struct for each section, every key optional.

mod app;
mod device;
mod gate;
mod provider;

pub(in crate::config) use app::{App, Health, Timeouts};
pub(in crate::config) use device::{CertificateFact, DeviceAuthority, PostureSource, QueryFact};
pub(in crate::config) use gate::{Audit, Enrolment, Limits, Listen, Policies, Process, Root, ServerCertificate, SignIn};
pub(in crate::config) use provider::IdentityProvider;
