//! The metadata of the test organization: entities of every ownership, in circles and links.

use haversack_proto::model::{self, AttributeType, Ownership, relationship::Form};

pub(crate) const ACCOUNT: u32 = 1;
pub(crate) const CONTACT: u32 = 2;
pub(crate) const SITE: u32 = 3;
pub(crate) const PRODUCT: u32 = 4;
pub(crate) const NOTE: u32 = 5;
pub(crate) const CONTACT_PRODUCT: u32 = 6;
pub(crate) const ACCOUNT_ACCOUNT: u32 = 7;
pub(crate) const USER: u32 = 20;
pub(crate) const TEAM: u32 = 21;
pub(crate) const MEMBERSHIP: u32 = 22;
pub(crate) const UNIT: u32 = 23;
pub(crate) const ROLE: u32 = 24;
pub(crate) const USER_ROLE: u32 = 25;
pub(crate) const TEAM_ROLE: u32 = 26;
pub(crate) const PRIVILEGE: u32 = 27;
pub(crate) const POSITION: u32 = 28;
pub(crate) const SHARE: u32 = 29;
pub(crate) const ORGANIZATION: u32 = 30;
pub(crate) const SETTINGS: u32 = 31;
/// No entity of the metadata: roles alone speak of it.
pub(crate) const OFFLINE_PROFILE: u32 = 32;

/// Entities with the common attributes.
pub(crate) const BUSINESS_ENTITIES: [u32; 7] =
    [ACCOUNT, CONTACT, SITE, PRODUCT, NOTE, CONTACT_PRODUCT, ACCOUNT_ACCOUNT];
/// Entities that say who is who.
pub(crate) const DIRECTORY_ENTITIES: [u32; 11] =
    [USER, TEAM, MEMBERSHIP, UNIT, ROLE, USER_ROLE, TEAM_ROLE, PRIVILEGE, POSITION, SHARE, SETTINGS];
/// Entities that a profile may have items for.
pub(crate) const ITEM_ENTITIES: [u32; 8] = [ACCOUNT, CONTACT, SITE, PRODUCT, NOTE, CONTACT_PRODUCT, USER, UNIT];

/// Applications that devices name, the last of which there never is.
pub(crate) const APPS: [&str; 3] = ["sales", "service", "stray"];

/// Attributes that tokens may name users by.
pub(crate) const USER_NAME: u32 = 6;
pub(crate) const USER_OBJECT: u32 = 7;

/// Common attributes, and those of ownership.
pub(crate) const ID: u32 = 1;
pub(crate) const NAME: u32 = 2;
pub(crate) const SCORE: u32 = 3;
pub(crate) const STATE: u32 = 4;
pub(crate) const FLAG: u32 = 5;
pub(crate) const AMOUNT: u32 = 6;
pub(crate) const DUE: u32 = 7;
pub(crate) const DAY: u32 = 8;
pub(crate) const WALL: u32 = 9;
pub(crate) const OWNER: u32 = 10;
pub(crate) const OWNING_UNIT: u32 = 12;
pub(crate) const RATE: u32 = 13;
pub(crate) const LABEL: u32 = 14;
pub(crate) const RANK: u32 = 15;
pub(crate) const FEE: u32 = 16;
pub(crate) const UNTIL: u32 = 17;
pub(crate) const CHOICES: u32 = 18;

/// A lookup: entity, attribute, field that tells the target, targets.
pub(crate) type LookupSpec = (u32, u32, u32, &'static [u32]);

pub(crate) const LOOKUPS: [LookupSpec; 15] = [
    (ACCOUNT, 20, 0, &[ACCOUNT]),
    (ACCOUNT, 22, 0, &[CONTACT]),
    (ACCOUNT, 24, 0, &[SITE]),
    (ACCOUNT, OWNER, 11, &[USER, TEAM]),
    (CONTACT, 20, 0, &[ACCOUNT]),
    (CONTACT, 22, 23, &[ACCOUNT, CONTACT]),
    (SITE, 20, 0, &[ACCOUNT]),
    (NOTE, 20, 0, &[CONTACT]),
    (NOTE, 22, 0, &[PRODUCT]),
    (CONTACT_PRODUCT, 20, 0, &[CONTACT]),
    (CONTACT_PRODUCT, 22, 0, &[PRODUCT]),
    (ACCOUNT_ACCOUNT, 20, 0, &[ACCOUNT]),
    (ACCOUNT_ACCOUNT, 22, 0, &[ACCOUNT]),
    (USER, 2, 0, &[UNIT]),
    (UNIT, 2, 0, &[UNIT]),
];

/// Hierarchical entities, each with the lookup at its rows' parents.
pub(crate) const HIERARCHIES: [(u32, u32); 3] = [(ACCOUNT, 20), (USER, 4), (UNIT, 2)];

/// Ids of rows of a hierarchical entity: entity, attribute, hierarchical entity.
pub(crate) const KIN: [(u32, u32, u32); 14] = [
    (ACCOUNT, ID, ACCOUNT),
    (ACCOUNT, 20, ACCOUNT),
    (ACCOUNT, OWNER, USER),
    (ACCOUNT, OWNING_UNIT, UNIT),
    (CONTACT, 20, ACCOUNT),
    (CONTACT, 22, ACCOUNT),
    (CONTACT, OWNER, USER),
    (SITE, 20, ACCOUNT),
    (SITE, OWNING_UNIT, UNIT),
    (USER, ID, USER),
    (USER, 4, USER),
    (USER, 2, UNIT),
    (UNIT, ID, UNIT),
    (UNIT, 2, UNIT),
];

/// Attributes that are equal where rows are linked, beside lookups and the ids that they hold: entity, attribute,
/// linked entity, its attribute.
pub(crate) const MEETINGS: [(u32, u32, u32, u32); 14] = [
    (ACCOUNT, OWNER, MEMBERSHIP, 2),
    (ACCOUNT, OWNER, MEMBERSHIP, 3),
    (ACCOUNT, OWNING_UNIT, TEAM, 2),
    (ACCOUNT, 22, CONTACT, 22),
    (ACCOUNT, SCORE, SITE, RANK),
    (CONTACT, OWNER, TEAM, ID),
    (CONTACT, 20, CONTACT, 20),
    (CONTACT, DAY, PRODUCT, DAY),
    (CONTACT, NAME, SITE, LABEL),
    (PRODUCT, LABEL, ACCOUNT, NAME),
    (SITE, STATE, PRODUCT, STATE),
    (PRODUCT, AMOUNT, ACCOUNT, FEE),
    (USER, ID, MEMBERSHIP, 3),
    (UNIT, ID, TEAM, 2),
];

/// Many-to-many relationships: link entity, its first lookup and target, its second.
pub(crate) const LINKS: [(u32, u32, u32, u32, u32); 2] =
    [(CONTACT_PRODUCT, 20, CONTACT, 22, PRODUCT), (ACCOUNT_ACCOUNT, 20, ACCOUNT, 22, ACCOUNT)];

pub(crate) fn name(entity: u32) -> &'static str {
    match entity {
        ACCOUNT => "account",
        CONTACT => "contact",
        SITE => "site",
        PRODUCT => "product",
        NOTE => "note",
        CONTACT_PRODUCT => "contactproduct",
        ACCOUNT_ACCOUNT => "accountaccount",
        USER => "systemuser",
        TEAM => "team",
        MEMBERSHIP => "teammembership",
        UNIT => "businessunit",
        ROLE => "role",
        USER_ROLE => "systemuserroles",
        TEAM_ROLE => "teamroles",
        PRIVILEGE => "roleprivileges",
        POSITION => "position",
        SHARE => "principalobjectaccess",
        SETTINGS => "usersettings",
        OFFLINE_PROFILE => "mobileofflineprofile",
        _ => "organization",
    }
}

pub(crate) fn ownership(entity: u32) -> Ownership {
    match entity {
        ACCOUNT | CONTACT => Ownership::User,
        SITE | USER | UNIT | TEAM => Ownership::Business,
        PRODUCT | ROLE | POSITION | ORGANIZATION => Ownership::Organization,
        _ => Ownership::None,
    }
}

/// Name of the relationship that a lookup makes with one of its targets.
pub(crate) fn relationship_name(entity: u32, attribute: u32, target: u32) -> String {
    format!("{}_{attribute}_{}", name(entity), name(target))
}

/// Name of the relationship that a link entity makes.
pub(crate) fn link_name(entity: u32) -> String {
    format!("{}_link", name(entity))
}

pub(crate) fn entities() -> Vec<model::Entity> {
    let all = BUSINESS_ENTITIES.into_iter().chain(DIRECTORY_ENTITIES).chain([ORGANIZATION]);
    all.map(entity).collect()
}

fn entity(number: u32) -> model::Entity {
    let mut attributes = vec![attribute(ID, &format!("{}id", name(number)), AttributeType::Uniqueidentifier)];
    attributes.extend(own_attributes(number));
    attributes.sort_by_key(|attribute| attribute.number);
    model::Entity {
        number,
        logical_name: name(number).to_owned(),
        primary_id_attribute: format!("{}id", name(number)),
        ownership: ownership(number) as i32,
        attributes,
        offline: ITEM_ENTITIES.contains(&number),
        hierarchy_attribute: hierarchy_attribute(number),
        ..model::Entity::default()
    }
}

/// Name of the lookup at a row's parent; empty where rows form no hierarchy.
fn hierarchy_attribute(entity: u32) -> String {
    let hierarchy = HIERARCHIES.iter().find(|hierarchy| hierarchy.0 == entity);
    hierarchy.map_or_else(String::new, |(_, attribute)| attribute_name(entity, *attribute))
}

fn own_attributes(entity: u32) -> Vec<model::Attribute> {
    let lookup = |number, name: &str| attribute(number, name, AttributeType::Lookup);
    let towards = |target, number, name: &str| pointing(&[target], lookup(number, name));
    match entity {
        USER => vec![
            towards(UNIT, 2, "businessunitid"),
            attribute(3, "isdisabled", AttributeType::Boolean),
            towards(USER, 4, "parentsystemuserid"),
            lookup(5, "positionid"),
            attribute(USER_NAME, "domainname", AttributeType::String),
            attribute(USER_OBJECT, "azureactivedirectoryobjectid", AttributeType::Uniqueidentifier),
        ],
        TEAM => vec![lookup(2, "businessunitid"), attribute(3, "teamtype", AttributeType::Picklist)],
        UNIT => vec![towards(UNIT, 2, "parentbusinessunitid")],
        ROLE => vec![attribute(2, "isinherited", AttributeType::Picklist)],
        MEMBERSHIP => vec![lookup(2, "teamid"), lookup(3, "systemuserid")],
        USER_ROLE => vec![lookup(2, "systemuserid"), lookup(3, "roleid")],
        TEAM_ROLE => vec![lookup(2, "teamid"), lookup(3, "roleid")],
        PRIVILEGE => vec![
            lookup(2, "roleid"),
            attribute(3, "entityname", AttributeType::String),
            attribute(4, "accessright", AttributeType::Picklist),
            attribute(5, "depth", AttributeType::Picklist),
        ],
        POSITION => vec![lookup(2, "parentpositionid")],
        SHARE => vec![
            model::Attribute { entity_field_number: 3, ..lookup(2, "principalid") },
            model::Attribute { entity_field_number: 5, ..lookup(4, "objectid") },
            attribute(6, "accessrightsmask", AttributeType::Integer),
            attribute(7, "inheritedaccessrightsmask", AttributeType::Integer),
        ],
        ORGANIZATION => vec![],
        SETTINGS => vec![
            lookup(2, "systemuserid"),
            attribute(3, "uilanguageid", AttributeType::Integer),
            attribute(4, "timezonename", AttributeType::String),
        ],
        _ => business_attributes(entity),
    }
}

fn business_attributes(entity: u32) -> Vec<model::Attribute> {
    let mut attributes = vec![
        attribute(NAME, "name", AttributeType::String),
        attribute(SCORE, "score", AttributeType::Integer),
        attribute(STATE, "statecode", AttributeType::State),
        attribute(FLAG, "flag", AttributeType::Boolean),
        attribute(AMOUNT, "amount", AttributeType::Money),
        attribute(DUE, "due", AttributeType::Datetime),
        attribute(DAY, "day", AttributeType::DateOnly),
        attribute(WALL, "wall", AttributeType::DatetimeIndependent),
        attribute(RATE, "rate", AttributeType::Double),
        attribute(LABEL, "label", AttributeType::Memo),
        attribute(RANK, "rank", AttributeType::Integer),
        attribute(FEE, "fee", AttributeType::Money),
        attribute(UNTIL, "until", AttributeType::Datetime),
        attribute(CHOICES, "choices", AttributeType::MultiSelectPicklist),
    ];
    let unit = |name| pointing(&[UNIT], attribute(OWNING_UNIT, name, AttributeType::Lookup));
    match ownership(entity) {
        Ownership::User => {
            let owner = pointing(&[USER, TEAM], attribute(OWNER, "ownerid", AttributeType::Owner));
            let owner = model::Attribute { entity_field_number: 11, ..owner };
            attributes.extend([owner, unit("owningbusinessunit")]);
        }
        Ownership::Business => attributes.push(unit("businessunitid")),
        _ => {}
    }
    for (_, number, companion, targets) in LOOKUPS.iter().filter(|lookup| lookup.0 == entity && lookup.1 != OWNER) {
        let lookup = pointing(targets, attribute(*number, &format!("lookup{number}"), AttributeType::Lookup));
        attributes.push(model::Attribute { entity_field_number: *companion, ..lookup });
    }
    attributes
}

fn attribute(number: u32, name: &str, kind: AttributeType) -> model::Attribute {
    model::Attribute { number, logical_name: name.to_owned(), r#type: kind as i32, ..model::Attribute::default() }
}

fn pointing(targets: &[u32], attribute: model::Attribute) -> model::Attribute {
    model::Attribute { targets: targets.iter().map(|target| name(*target).to_owned()).collect(), ..attribute }
}

pub(crate) fn relationships() -> Vec<model::Relationship> {
    let lookups = LOOKUPS.iter().flat_map(|&(entity, attribute, _, targets)| {
        targets.iter().map(move |&target| model::Relationship {
            schema_name: relationship_name(entity, attribute, target),
            form: Some(Form::OneToMany(model::OneToMany {
                referenced_entity: name(target).to_owned(),
                referencing_entity: name(entity).to_owned(),
                referencing_attribute: attribute_name(entity, attribute),
            })),
        })
    });
    let links = LINKS.iter().map(|&(link, first, entity1, second, entity2)| model::Relationship {
        schema_name: link_name(link),
        form: Some(Form::ManyToMany(model::ManyToMany {
            intersect_entity: name(link).to_owned(),
            entity1: name(entity1).to_owned(),
            attribute1: attribute_name(link, first),
            entity2: name(entity2).to_owned(),
            attribute2: attribute_name(link, second),
        })),
    });
    lookups.chain(links).collect()
}

fn attribute_name(entity: u32, number: u32) -> String {
    let attributes = own_attributes(entity);
    attributes.into_iter().find(|attribute| attribute.number == number).expect("has the attribute").logical_name
}
