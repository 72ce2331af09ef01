//! First half of a registration, before the password is hashed: checks that registration is open,
//! and limits the attempts from one address.

use super::register::check_open;
use crate::error::Result;
use crate::ops::logins::attempts::{Attempt, count_registration};
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
pub struct BeginRegistration {
    /// The address of the client.
    pub address: IpAddr,
}

impl Op<Anonymous> for BeginRegistration {
    type Output = Attempt;
    const NAME: &'static str = "begin_registration";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Attempt>> {
        check_open(cx.rules)?;
        Ok(Outcome::without_effects(count_registration(self.address, cx)?))
    }
}
