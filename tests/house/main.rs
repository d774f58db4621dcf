//! Stories about the whole gate: the real binary, real TLS, real sign-ins, apps that remember what reached them.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod story;
