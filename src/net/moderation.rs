//! The HTTP calls by which people report, and administrators act on it. What
//! an administrator does is logged.

use super::identity::Known;
use super::input::{Asked, Query};
use super::problem::Problem;
use super::{Net, at};
use crate::ops::{ListReports, MakeReport};
use actix_web::{HttpResponse, web};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(at("/api/reports").post(report)).service(at("/api/admin/reports").get(list_reports));
}

type Answer = Result<HttpResponse, Problem>;

/// 201 for a new report, 200 for one that was there.
async fn report(net: web::Data<Net>, Asked(caller, op): Asked<MakeReport>) -> Answer {
    let reported = net.door.call(caller, op).await?;
    let mut response = if reported.was_there { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(reported))
}

async fn list_reports(net: web::Data<Net>, Known(caller): Known, query: Query) -> Answer {
    let op = ListReports { before: query.get("before")?, limit: query.limit()? };
    let page = net.door.call(caller, op).await?;
    log::info!("admin read reports count={} admin={}", page.reports.len(), caller.user_id);
    Ok(HttpResponse::Ok().json(page))
}
