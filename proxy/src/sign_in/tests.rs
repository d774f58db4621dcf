//! Signing in and out, from a browser's side. Each way in has twins with one fact changed, and they lead nowhere.

mod house;
mod liar;
mod lies;
mod refresh;
mod sign_out;
mod step_up;
mod way;
