//! What an administrator at the gate's host does not do to themselves: whoever locks themselves out there, perhaps as the last who could
//! come in, would find that out too late. At the admin socket nobody can: whoever may open it has all of it still.

use http::StatusCode;

use super::answer::Refused;
use crate::inventory::{DeviceId, UserId};
use crate::store::Actor;

/// # Errors
/// If it is the device that `by` asks from.
pub(super) fn spare_device(by: &Actor, device: &DeviceId) -> Result<(), Refused> {
    match by {
        Actor::Administrator { device: own, .. } if own == device => {
            Err(refused(&format!("{device} is the device that you administer from")))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// If `by` is that person.
pub(super) fn spare_user(by: &Actor, user: &UserId) -> Result<(), Refused> {
    match by {
        Actor::Administrator { user: own, .. } if own == user => Err(refused(&format!("{user} is you"))),
        _ => Ok(()),
    }
}

fn refused(who: &str) -> Refused {
    let words = format!(
        "{who}: this would lock you out; another administrator can do it, or whoever may use the admin socket, and you may retire a \
         device of your own at /.sekisho/devices"
    );
    Refused::new(StatusCode::CONFLICT, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_comes_by_the_gates_host_is_kept_from_it_and_only_from_their_own() {
        let (user, device): (UserId, DeviceId) = ("corp/ana".parse().unwrap(), "lap-7".parse().unwrap());
        let ana = Actor::Administrator { user: user.clone(), device: device.clone() };
        assert!(spare_user(&ana, &user).is_err() && spare_device(&ana, &device).is_err());
        assert!(spare_user(&ana, &"corp/bob".parse().unwrap()).is_ok() && spare_device(&ana, &"lap-8".parse().unwrap()).is_ok());
        let operator = Actor::Operator { uid: 0, name: None };
        assert!(spare_user(&operator, &user).is_ok() && spare_device(&operator, &device).is_ok());
    }
}
