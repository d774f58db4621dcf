//! `sekisho audit report`: what a device, person or session touched, for whoever has to answer for it.
//!
//! Arrives: a record, a subject and a time. Leaves: the incident report, as text, JSON or one page of HTML. Refused: a subject that
//! the record does not know. What is not known for certain is told as such, never rounded into a certainty.

mod chart;
mod command;
mod figures;
mod findings;
mod gather;
mod html;
mod json;
mod made;
mod reasons;
mod subject;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod verification;
mod words;

pub(super) use command::ReportCommand;
