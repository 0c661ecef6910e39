//! `cps grants`.

use cps_api::Client;
use cps_api::types::{Grant, GrantDuration};
use serde_json::json;

use super::{Context, Done};
use crate::arguments::Grants;
use crate::output::{Table, plain};
use crate::text;

/// Shows the grants, or takes one back.
pub(super) fn run(context: &Context, client: &Client, action: Option<&Grants>) -> Done {
    match action {
        None | Some(Grants::List) => list(context, client),
        Some(Grants::Revoke { id }) => revoke(context, client, id),
    }
}

fn list(context: &Context, client: &Client) -> Done {
    let grants = client.grants()?;
    context.show(&grants, |grants| {
        if grants.grants.is_empty() {
            let none = context.pick("Aucune autorisation en vigueur.\n", "No grant in force.\n");
            return none.to_owned();
        }
        let mut table = Table::default();
        for grant in &grants.grants {
            table.row([
                &grant.id,
                grant.program_name.as_ref().unwrap_or(&grant.caller.display),
                text::operation(context.lang, &grant.purpose),
                grant.destination.as_deref().unwrap_or("-"),
                &duration(context, grant),
            ]);
        }
        table.render()
    })
}

fn revoke(context: &Context, client: &Client, id: &str) -> Done {
    client.revoke_grant(id)?;
    context.show(&json!({ "revoked": id }), |_| {
        let done = context.pick("Autorisation retirée\u{a0}:", "Grant revoked:");
        format!("{done} {}\n", plain(id))
    })
}

fn duration(context: &Context, grant: &Grant) -> String {
    match (&grant.expires_at, grant.duration) {
        (Some(end), _) => {
            let end = text::date_time(context.lang, end);
            format!("{} {end}", context.pick("jusqu'au", "until"))
        }
        (None, GrantDuration::Once) => context.pick("une fois", "once").to_owned(),
        (None, _) => context
            .pick("pour la session", "for the session")
            .to_owned(),
    }
}
