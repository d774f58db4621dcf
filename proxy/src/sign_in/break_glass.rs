//! `sign-in?break_glass=…`: the code of a break-glass, on the device that it is for. No provider is asked: it is for when none answers.

use super::metrics::BreakGlassOutcome;
use super::query::Query;
use super::refusal::SignInRefusal;
use super::service::SignIn;
use super::visit::{Reply, Visit};
use crate::identify_device::KnownDevice;
use crate::store::{BreakGlassError, InviteCode, SessionError};

impl SignIn {
    pub(super) async fn break_glass(
        &self,
        code: &str,
        query: &Query,
        visit: &Visit,
        device: &KnownDevice,
    ) -> Result<Reply, SignInRefusal> {
        let device_id = &device.device.id;
        if let Err(wait) = self.under_way.break_glass.take(device_id, visit.now) {
            self.metrics.break_glass(BreakGlassOutcome::Throttled);
            return Err(SignInRefusal::BreakGlassThrottled { wait });
        }
        let begun = match code.parse::<InviteCode>() {
            Ok(code) => self.registrar.use_break_glass(&code, device_id, Self::new_session_id()?).await,
            Err(_not_one) => Err(BreakGlassError::Refused),
        };
        let live = begun.map_err(|error| match error {
            BreakGlassError::Store(error) => SignInRefusal::Store(SessionError::Store(error)),
            // Wrong, used, late, another device's: nobody learns which.
            _ => {
                self.metrics.break_glass(BreakGlassOutcome::Refused);
                SignInRefusal::BreakGlass
            }
        })?;
        self.metrics.break_glass(BreakGlassOutcome::Used);
        let session = &live.session;
        self.end_session_before(visit, device, &session.id).await;
        let cookie = self.session_cookie(&session.id, session.expires_at, &visit.host, visit.now).await?;
        Ok(self.lead_back(&session.id, device, self.way_back(query), visit.now)?.with_cookie([cookie]))
    }
}
