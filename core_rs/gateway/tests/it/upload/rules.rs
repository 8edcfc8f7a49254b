//! What a device is told of what it may write.

use haversack_proto::model::ConflictPolicy::ClientWins;
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{CarriedEntity, Model, RowRight, SyncMode};

use super::world::*;
use crate::device::{Device, Events, Stage, next};
use crate::world::{ACCOUNT, CONTACT};

/// The next model of a stream, and that stream.
async fn model(device: &mut Device, events: &mut Events) -> Model {
    loop {
        let event = next(events).await.unwrap().expect("a live stream does not end well");
        device.apply(&event);
        if let Some(Event::Model(model)) = event.event {
            return model;
        }
    }
}

fn entity(model: &Model, number: u32) -> &CarriedEntity {
    model.entities.iter().find(|entity| entity.entity == number).unwrap()
}

#[test]
fn a_model_tells_rules_and_rights_and_other_rights_come_at_once() {
    let mut stage = Stage::new(organization(ClientWins));
    stage.run(async |world, door| {
        let mut device = door.device(CAROL).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        let told = model(&mut device, &mut events).await;
        let account = entity(&told, ACCOUNT.0);
        assert_eq!(account.rights().collect::<Vec<_>>(), [RowRight::Create, RowRight::Write]);
        assert_eq!(entity(&told, CONTACT.0).rights().count(), 0);
        assert_eq!(entity(&told, VISIT.0).rights().count(), 6, "those of the rows that visits belong to decide");
        let attribute = |number| account.attributes.iter().find(|it| it.number == number).unwrap();
        assert!(attribute(NAME).required && attribute(NAME).creatable && attribute(NAME).updatable);
        assert_eq!((attribute(RATING).options.as_slice(), attribute(NOTE).max_length), (&[1, 2, 3][..], 10));
        assert!(attribute(CODE).creatable && !attribute(CODE).updatable);
        assert!(!attribute(CREATED_ON).creatable && !attribute(CREATED_ON).updatable);
        assert!(attribute(1).creatable && !attribute(1).updatable);

        device.reach(&mut events).await.unwrap();
        world.commit(|commit| grant(commit, HELPER, "account", DELETE, BASIC));
        let later = model(&mut device, &mut events).await;
        let rights: Vec<_> = entity(&later, ACCOUNT.0).rights().collect();
        assert_eq!(rights, [RowRight::Create, RowRight::Write, RowRight::Delete]);
        assert_ne!(later.version, told.version);
        assert_eq!(entity(&later, ACCOUNT.0).fingerprint, account.fingerprint, "its tables are as they were");
    });
}
