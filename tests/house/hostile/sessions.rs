//! Cookies, and the sessions behind them.
