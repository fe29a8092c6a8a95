use incode_core::Subject;
use incode_tests::{ACKNOWLEDGED, Auth, event};

use super::three;
use crate::engine::Engine;

on_both_engines!(a_flow_begun_on_one_ends_on_another_and_once_in_all, a_bearer_token_of_one_is_good_on_all);

async fn a_flow_begun_on_one_ends_on_another_and_once_in_all(engine: Engine) {
    let worlds = three(&engine, Auth::Header).await;
    for begins in 0..3 {
        let user = format!("user-{begins}");
        let person = worlds[0].person(&format!("Ana {begins}"));
        let (there, elsewhere) = (&worlds[(begins + 1) % 3], &worlds[(begins + 2) % 3]);
        let correlation_id = worlds[begins].start_flow(&user).await;
        let token = || worlds[0].sandbox.issue_token(&person.identity_id);
        // Not another user's, on any of them.
        assert_ne!(elsewhere.come_back("mallory", &correlation_id, &token()).await.status, 303);
        assert_eq!(there.come_back(&user, &correlation_id, &token()).await.status, 303);
        assert_eq!(elsewhere.status(&user, "/vault").await, 200);
        // A reload by the same person leads back, and the vendor is not asked again.
        let asked = worlds[0].sandbox.calls().len();
        for world in &worlds {
            assert_eq!(world.come_back(&user, &correlation_id, &token()).await.status, 303);
        }
        assert_eq!(worlds[0].sandbox.calls().len(), asked);
        // It makes no second link: a token that was used is used on every replica.
        assert!(there.incode.unlink(&Subject::new(&*user).unwrap(), &incode_core::Actor::unknown()).await.unwrap());
        for world in &worlds {
            let answer = world.come_back(&user, &correlation_id, &token()).await;
            assert_eq!((answer.status, answer.code().as_str()), (409, "flow_used"));
        }
    }
}

async fn a_bearer_token_of_one_is_good_on_all(engine: Engine) {
    let worlds = three(&engine, Auth::OAuth).await;
    let mut taken = 0;
    for asked in &worlds {
        for told in &worlds {
            let person = worlds[0].person(&format!("Ana {taken}"));
            let verified = worlds[0].sandbox.verify(&person.identity_id).unwrap();
            let body = event("verification.completed", &verified.verification_id, &verified.token).to_string();
            let answer = told.send(asked.delivery(&body)).await;
            assert_eq!(answer.essence(), ACKNOWLEDGED);
            taken += 1;
        }
    }
    worlds[2].settles(taken, 0, 0).await;
}
