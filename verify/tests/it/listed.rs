//! What lists show, by signature alone.

use std::sync::Arc;

use bytes::Bytes;
use recording::Key;
use storage::{Memory, Store, signing::Signer};
use verify::{ListedCheck, Standing, Trust};

use crate::world::{Objects, World};

async fn standing(objects: &Objects, trusted: &[Trust], world: &World) -> Standing {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    for (key, object) in objects {
        store.put_new(key, object.clone()).await.unwrap();
    }
    let check = ListedCheck::new(&store, trusted).await.unwrap();
    check.standing(world.recordings[0]).await.unwrap().0
}

#[tokio::test]
async fn header_and_manifest_are_judged_and_nothing_else() {
    let world = World::new().await;
    let trusted = [Trust::Key(world.old.public())];
    let changed = async |key: Key, change: &dyn Fn(&Bytes) -> Option<Bytes>| {
        let mut objects = world.objects.clone();
        match change(&objects[&key]) {
            Some(object) => objects.insert(key, object),
            None => objects.remove(&key),
        };
        standing(&objects, &trusted, &world).await
    };
    let flipped = |object: &Bytes| {
        let mut object = object.to_vec();
        let at = object.len() / 2;
        object[at] ^= 1;
        Some(object.into())
    };
    assert_eq!(standing(&world.objects, &trusted, &world).await, Standing::Proven);
    assert_eq!(standing(&world.objects, &[], &world).await, Standing::NotVouched);
    let stranger = [Trust::Key(Signer::generate().unwrap().public())];
    assert_eq!(standing(&world.objects, &stranger, &world).await, Standing::NotVouched);
    assert_eq!(changed(world.manifest(0), &|_| None).await, Standing::Live);
    assert_eq!(changed(world.manifest(0), &flipped).await, Standing::Altered);
    assert_eq!(changed(world.chunk(0, 0), &flipped).await, Standing::Altered);
    assert_eq!(changed(world.chunk(0, 0), &|_| None).await, Standing::Altered);
    assert_eq!(changed(world.chunk(0, 1), &flipped).await, Standing::Proven, "no list shows it");
    let other = world.objects[&world.manifest(1)].clone();
    assert_eq!(changed(world.manifest(0), &|_| Some(other.clone())).await, Standing::Foreign);
    let unsigned = |object: &Bytes| {
        let mut members: serde_json::Value = serde_json::from_slice(object).unwrap();
        members.as_object_mut().unwrap().remove("signature");
        Some(members.to_string().into())
    };
    assert_eq!(changed(world.manifest(0), &unsigned).await, Standing::Unsigned);
}
