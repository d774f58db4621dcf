mod complete;
mod environment;
mod fixture;
mod golden;
mod junk;
mod manual;
