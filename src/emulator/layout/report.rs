//! A card report as a layout.

use cps_card::Report;

use super::{Layout, LayoutError};

pub(super) fn convert(report: Report) -> Result<Layout, LayoutError> {
    Err(LayoutError::Unusable {
        name: report.kind.to_string(),
        problem: "reports come next".into(),
    })
}
