//! The members of one profile: who gets nothing, and who is in others as well.

use super::{Finding, Smell};
use crate::engine::ask::Inquiry;
use crate::engine::asker::OFFLINE_PROFILE;
use crate::engine::profile::Profile;
use crate::ids::RowKey;
use crate::row::uuid_text;
use crate::view::Denial;

/// How many members a sentence names.
const NAMED_MAX: usize = 10;

/// Looks at everybody whom the profile has, followed or not.
pub(super) fn look(inquiry: &Inquiry<'_>, profile: &Profile) -> Vec<Finding> {
    let Some(model) = inquiry.situation.model else { return Vec::new() };
    let everybody = Inquiry::of(inquiry.situation).users();
    let profiles_of = |user| model.membership.all_of(user, &inquiry.situation.directory.teams_of(user));
    let is_this = |number: &usize| model.profile(*number).name == profile.name;
    let (mut barred, mut shared) = (Vec::new(), Vec::new());
    for user in everybody {
        let all = profiles_of(user);
        if !all.iter().any(is_this) {
            continue;
        }
        if inquiry.denial(user) == Some(Denial::ProfileNotReadable) {
            barred.push(uuid_text(user.0));
        }
        if all.len() > 1 {
            shared.push(in_several(user, &all.iter().map(|&it| model.profile(it).name.as_str()).collect::<Vec<_>>()));
        }
    }
    let found = [
        (
            Smell::MemberWithoutPrivilege,
            format!("members get nothing, since no role of theirs has read on {OFFLINE_PROFILE}"),
            barred,
        ),
        (Smell::MemberOfSeveral, "members are in several profiles, and follow the first of them".to_owned(), shared),
    ];
    let found = found.into_iter().filter(|(_, _, members)| !members.is_empty());
    found.map(|(smell, what, members)| finding(smell, profile, &what, &members)).collect()
}

fn in_several(user: RowKey, profiles: &[&str]) -> String {
    format!("{} ({})", uuid_text(user.0), profiles.join(", "))
}

fn finding(smell: Smell, profile: &Profile, what: &str, members: &[String]) -> Finding {
    let named = members[..members.len().min(NAMED_MAX)].join(", ");
    let more = match members.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Finding::new(smell, &profile.name, "", "", format!("{what}: {named}{more}")).measured(0, members.len())
}
