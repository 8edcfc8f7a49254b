//! The metadata and the profiles of the made-up CRM.

use haversack_engine::ids::Revision;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::relationship::Form;
use haversack_proto::model::{
    Association, Attribute, AttributeType, Entity, Filter, FilterCondition, FilterNode, FilterOperand, FilterOperator,
    Model, OneToMany, Ownership, Profile, ProfileItem, RecordCriteria, Relationship, filter_operand,
};

use crate::crm::{entity, key};

/// Users with profiles of their own; all others are sellers.
pub(crate) const MANAGER: u32 = 0;
/// See [`MANAGER`].
pub(crate) const DIRECTOR: u32 = 1;

/// Number of `modifiedon` in every entity that has it.
const MODIFIED_ON: u32 = 5;
/// Not an attribute of its own: the companion field of the lookup before it.
const COMPANION: AttributeType = AttributeType::Unspecified;

/// Logical name, kind, and the entity that a lookup points at.
type Listed = (&'static str, AttributeType, &'static str);

/// Number, logical name, ownership, and the attributes after the id in the order in which [`crate::crm`] writes them.
const ENTITIES: [(u32, &str, Ownership, &[Listed]); 10] = {
    use AttributeType::{Boolean, Customer, Datetime, EntityName, Integer, Lookup, Money, Owner, Picklist, String};
    [
        (
            entity::USER,
            "systemuser",
            Ownership::Business,
            &[("businessunitid", Lookup, "businessunit"), ("isdisabled", Boolean, ""), ("fullname", String, "")],
        ),
        (entity::UNIT, "businessunit", Ownership::Business, &[("parentbusinessunitid", Lookup, "businessunit")]),
        (entity::ROLE, "role", Ownership::Business, &[("name", String, "")]),
        (
            entity::USER_ROLE,
            "systemuserroles",
            Ownership::None,
            &[("systemuserid", Lookup, "systemuser"), ("roleid", Lookup, "role")],
        ),
        (
            entity::PRIVILEGE,
            "roleprivileges",
            Ownership::None,
            &[
                ("roleid", Lookup, "role"),
                ("entityname", EntityName, ""),
                ("accessright", Picklist, ""),
                ("depth", Picklist, ""),
            ],
        ),
        (entity::PRODUCT, "product", Ownership::Organization, &[("name", String, ""), ("stock", Integer, "")]),
        (
            entity::ACCOUNT,
            "account",
            Ownership::User,
            &[
                ("ownerid", Owner, "systemuser"),
                ("ownerid_entity", COMPANION, ""),
                ("owningbusinessunit", Lookup, "businessunit"),
                ("modifiedon", Datetime, ""),
                ("name", String, ""),
                ("address1_city", String, ""),
                ("industrycode", Picklist, ""),
                ("description", String, ""),
            ],
        ),
        (
            entity::CONTACT,
            "contact",
            Ownership::User,
            &[
                ("ownerid", Owner, "systemuser"),
                ("ownerid_entity", COMPANION, ""),
                ("owningbusinessunit", Lookup, "businessunit"),
                ("modifiedon", Datetime, ""),
                ("parentcustomerid", Customer, "account"),
                ("parentcustomerid_entity", COMPANION, ""),
                ("fullname", String, ""),
                ("emailaddress1", String, ""),
                ("telephone1", String, ""),
                ("jobtitle", String, ""),
                ("address1_city", String, ""),
                ("statuscode", Picklist, ""),
            ],
        ),
        (
            entity::OPPORTUNITY,
            "opportunity",
            Ownership::User,
            &[
                ("ownerid", Owner, "systemuser"),
                ("ownerid_entity", COMPANION, ""),
                ("owningbusinessunit", Lookup, "businessunit"),
                ("modifiedon", Datetime, ""),
                ("customerid", Customer, "contact"),
                ("customerid_entity", COMPANION, ""),
                ("name", String, ""),
                ("estimatedvalue", Money, ""),
                ("description", String, ""),
                ("statuscode", Picklist, ""),
            ],
        ),
        (
            entity::LINE,
            "opportunityproduct",
            Ownership::User,
            &[
                ("ownerid", Owner, "systemuser"),
                ("ownerid_entity", COMPANION, ""),
                ("owningbusinessunit", Lookup, "businessunit"),
                ("modifiedon", Datetime, ""),
                ("opportunityid", Lookup, "opportunity"),
                ("productid", Lookup, "product"),
                ("description", String, ""),
                ("quantity", Integer, ""),
                ("priceperunit", Money, ""),
                ("extendedamount", Money, ""),
            ],
        ),
    ]
};

/// From the referenced entity to the referencing one, by the lookup.
const RELATIONSHIPS: [(&str, u32, u32, &str); 4] = [
    ("contact_customer_accounts", entity::ACCOUNT, entity::CONTACT, "parentcustomerid"),
    ("opportunity_customer_contacts", entity::CONTACT, entity::OPPORTUNITY, "customerid"),
    ("product_opportunities", entity::OPPORTUNITY, entity::LINE, "opportunityid"),
    ("opportunityproduct_product", entity::PRODUCT, entity::LINE, "productid"),
];

/// What every publish is about.
#[derive(Clone, Copy)]
pub(crate) struct Publish {
    pub revision: Revision,
    /// Users, the manager and the director included.
    pub users: u32,
    /// Days back that sellers carry opportunities of.
    pub opportunity_days: i64,
}

/// Logical name of an entity.
pub(crate) fn name(entity: u32) -> &'static str {
    ENTITIES.iter().find(|it| it.0 == entity).map_or("", |it| it.1)
}

/// The published model.
pub(crate) fn model(publish: Publish) -> Model {
    Model {
        revision: publish.revision.0,
        organization: "bench".into(),
        entities: ENTITIES
            .iter()
            .map(|(number, name, ownership, attributes)| described(*number, name, *ownership, attributes))
            .collect(),
        relationships: RELATIONSHIPS.map(relationship).to_vec(),
        profiles: vec![
            profile("manager", unit_items(), MANAGER..DIRECTOR),
            profile("director", all_items(), DIRECTOR..DIRECTOR + 1),
            profile("seller", seller_items(publish.opportunity_days), DIRECTOR + 1..publish.users),
        ],
        ..Model::default()
    }
}

fn described(number: u32, name: &str, ownership: Ownership, listed: &[Listed]) -> Entity {
    let primary_id = format!("{name}id");
    let id = attribute(1, &primary_id, AttributeType::Uniqueidentifier, "");
    let mut attributes = vec![id];
    for (&(name, kind, target), number) in listed.iter().zip(2..) {
        match (kind, attributes.last_mut()) {
            (COMPANION, Some(lookup)) => lookup.entity_field_number = number,
            _ => attributes.push(attribute(number, name, kind, target)),
        }
    }
    Entity {
        number,
        logical_name: name.into(),
        primary_id_attribute: primary_id,
        ownership: ownership.into(),
        attributes,
        offline: true,
        ..Entity::default()
    }
}

fn attribute(number: u32, name: &str, kind: AttributeType, target: &str) -> Attribute {
    let targets = if target.is_empty() { Vec::new() } else { vec![target.into()] };
    Attribute { number, logical_name: name.into(), r#type: kind.into(), targets, ..Attribute::default() }
}

fn relationship((schema_name, referenced, referencing, attribute): (&str, u32, u32, &str)) -> Relationship {
    let form = OneToMany {
        referenced_entity: name(referenced).into(),
        referencing_entity: name(referencing).into(),
        referencing_attribute: attribute.into(),
    };
    Relationship { schema_name: schema_name.into(), form: Some(Form::OneToMany(form)) }
}

fn profile(name: &str, items: Vec<ProfileItem>, users: std::ops::Range<u32>) -> Profile {
    let users = users.map(|user| uuid(key(entity::USER, user).0)).collect();
    Profile { name: name.into(), revision: 1, items, users, priority: 1, ..Profile::default() }
}

fn uuid(id: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(id));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn item(entity: u32, criteria: RecordCriteria) -> ProfileItem {
    ProfileItem { entity: name(entity).into(), criteria: criteria.into(), ..ProfileItem::default() }
}

/// Own accounts with their contacts, own contacts with their newer opportunities and those's lines, and all products.
fn seller_items(opportunity_days: i64) -> Vec<ProfileItem> {
    let owned = |entity| ProfileItem { owned_by_me: true, ..item(entity, RecordCriteria::Other) };
    let with = |item: ProfileItem, association| ProfileItem { associations: vec![association], ..item };
    let newer =
        Association { filter: Some(newer_than(opportunity_days)), ..association("opportunity_customer_contacts") };
    vec![
        with(owned(entity::ACCOUNT), association("contact_customer_accounts")),
        with(owned(entity::CONTACT), newer),
        with(item(entity::OPPORTUNITY, RecordCriteria::RelatedOnly), association("product_opportunities")),
        item(entity::LINE, RecordCriteria::RelatedOnly),
        item(entity::PRODUCT, RecordCriteria::All),
    ]
}

/// What belongs to the business unit.
fn unit_items() -> Vec<ProfileItem> {
    let units = |entity| ProfileItem { owned_by_my_business_unit: true, ..item(entity, RecordCriteria::Other) };
    let owned = [entity::ACCOUNT, entity::CONTACT, entity::OPPORTUNITY, entity::LINE];
    owned.map(units).into_iter().chain([item(entity::PRODUCT, RecordCriteria::All)]).collect()
}

/// Everything.
fn all_items() -> Vec<ProfileItem> {
    (entity::PRODUCT..=entity::LINE).map(|entity| item(entity, RecordCriteria::All)).collect()
}

fn association(relationship: &str) -> Association {
    Association { relationship: relationship.into(), ..Association::default() }
}

/// Opportunities that were changed within some days.
fn newer_than(days: i64) -> Filter {
    let condition = FilterCondition {
        attribute_number: MODIFIED_ON,
        operator: FilterOperator::LastXDays.into(),
        operands: vec![FilterOperand { value: Some(filter_operand::Value::Integer(days)) }],
        ..Default::default()
    };
    Filter { compiled: Some(FilterNode { kind: Some(Kind::Condition(condition)) }), ..Filter::default() }
}
