//! What the pages about mails say: whoever has lost tickets, where an order's tickets were sent, another address.

use super::words;

words! {
    // Whoever has lost tickets.

    /// The link to the page.
    fn lost_link() {
        en: "Lost your tickets?",
        de: "Tickets verloren?",
        fr: "Billets perdus\u{202f}?",
        es: "¿Ha perdido sus entradas?",
    }
    /// The page's title.
    fn lost_title() {
        en: "Get your tickets again",
        de: "Tickets noch einmal erhalten",
        fr: "Recevoir vos billets à nouveau",
        es: "Recibir de nuevo sus entradas",
    }
    /// What it does.
    fn lost_lead() {
        en: "Enter the e-mail address that you ordered with. We will send you a link to each of your orders for upcoming events.",
        de: "Geben Sie die E-Mail-Adresse ein, mit der Sie bestellt haben. Wir senden Ihnen einen Link zu jeder Ihrer Bestellungen für bevorstehende Veranstaltungen.",
        fr: "Saisissez l’adresse e-mail utilisée pour la commande. Nous vous enverrons un lien vers chacune de vos commandes pour des événements à venir.",
        es: "Escriba la dirección de correo con la que hizo el pedido. Le enviaremos un enlace a cada uno de sus pedidos para próximos eventos.",
    }
    /// The button.
    fn lost_send() {
        en: "Send me the links",
        de: "Links zusenden",
        fr: "Envoyer les liens",
        es: "Enviarme los enlaces",
    }
    /// Afterwards, above.
    fn lost_done_title() {
        en: "Check your mail",
        de: "Sehen Sie in Ihrem Posteingang nach",
        fr: "Consultez votre messagerie",
        es: "Revise su correo",
    }
    /// Afterwards, whether there are orders or not.
    fn lost_done(address: &str) {
        en: format!("If {address} has orders for upcoming events, the links are on the way to that address."),
        de: format!("Wenn es zu {address} Bestellungen für bevorstehende Veranstaltungen gibt, sind die Links unterwegs an diese Adresse."),
        fr: format!("S’il existe des commandes au nom de {address} pour des événements à venir, les liens sont en cours d’envoi à cette adresse."),
        es: format!("Si hay pedidos de {address} para próximos eventos, los enlaces van de camino a esa dirección."),
    }
    /// If nothing comes.
    fn lost_nothing_came() {
        en: "It can take a few minutes. If nothing comes: look in your spam folder, check the address, and try another address of yours. We send this mail to one address a few times a day at most.",
        de: "Das kann einige Minuten dauern. Wenn nichts kommt: Sehen Sie im Spam-Ordner nach, prüfen Sie die Adresse und versuchen Sie eine andere Ihrer Adressen. Eine Adresse erhält diese E-Mail höchstens einige Male am Tag.",
        fr: "Cela peut prendre quelques minutes. Si rien n’arrive\u{a0}: regardez dans vos courriers indésirables, vérifiez l’adresse et essayez une autre de vos adresses. Nous n’envoyons ce message à une même adresse que quelques fois par jour.",
        es: "Puede tardar unos minutos. Si no llega nada: mire en la carpeta de correo no deseado, revise la dirección y pruebe con otra de sus direcciones. A una misma dirección solo le enviamos este correo unas pocas veces al día.",
    }
    /// Once more.
    fn lost_other_address() {
        en: "Try another address",
        de: "Andere Adresse versuchen",
        fr: "Essayer une autre adresse",
        es: "Probar con otra dirección",
    }
    /// What was typed is none.
    fn lost_wrong_address() {
        en: "This is not an e-mail address. Write it like name@example.org.",
        de: "Das ist keine E-Mail-Adresse. Schreiben Sie sie wie name@example.org.",
        fr: "Ceci n’est pas une adresse e-mail. Écrivez-la comme nom@example.org.",
        es: "Esto no es una dirección de correo. Escríbala como nombre@example.org.",
    }
    /// Too often from one network.
    fn lost_too_often() {
        en: "Tickets were asked for very often from your network. Please try again later.",
        de: "Aus Ihrem Netz wurde sehr oft nach Tickets gefragt. Bitte versuchen Sie es später noch einmal.",
        fr: "Des billets ont été demandés très souvent depuis votre réseau. Veuillez réessayer plus tard.",
        es: "Desde su red se han pedido entradas muchas veces. Vuelva a intentarlo más tarde.",
    }
    /// There is no relay.
    fn mails_wait() {
        en: "This box office cannot send mail at the moment. What you ask for here is sent as soon as it can.",
        de: "Dieser Ticketshop versendet zurzeit keine E-Mails. Was Sie hier anfordern, wird gesendet, sobald das wieder möglich ist.",
        fr: "Cette billetterie ne peut pas envoyer d’e-mails pour le moment. Ce que vous demandez ici sera envoyé dès que possible.",
        es: "Esta taquilla no puede enviar correos por ahora. Lo que pida aquí se enviará en cuanto sea posible.",
    }
    /// The same in the sandbox.
    fn mails_test_mode() {
        en: "In test mode no mail is sent.",
        de: "Im Testmodus wird keine E-Mail versendet.",
        fr: "En mode test, aucun message n’est envoyé.",
        es: "En modo de prueba no se envía ningún correo.",
    }

    // On the page of an order.

    /// Above it.
    fn sent_title() {
        en: "Tickets by mail",
        de: "Tickets per E-Mail",
        fr: "Billets par e-mail",
        es: "Entradas por correo",
    }
    /// They were sent.
    fn sent_to(address: &str, at: &str) {
        en: format!("Sent to {address}, {at}."),
        de: format!("Gesendet an {address}, {at}."),
        fr: format!("Envoyés à {address}, {at}."),
        es: format!("Enviadas a {address}, {at}."),
    }
    /// They were, as far as anybody knows.
    fn sent_perhaps(address: &str) {
        en: format!("Sent to {address}, but the mail server has not confirmed it. If nothing has come, send them again."),
        de: format!("An {address} gesendet, aber der Mailserver hat es nicht bestätigt. Wenn nichts angekommen ist, senden Sie die Tickets noch einmal."),
        fr: format!("Envoyés à {address}, mais le serveur de messagerie ne l’a pas confirmé. Si rien n’est arrivé, renvoyez-les."),
        es: format!("Enviadas a {address}, pero el servidor de correo no lo ha confirmado. Si no ha llegado nada, envíelas de nuevo."),
    }
    /// They are on the way.
    fn sent_soon(address: &str) {
        en: format!("On the way to {address}. This can take a few minutes."),
        de: format!("Auf dem Weg an {address}. Das kann einige Minuten dauern."),
        fr: format!("En route vers {address}. Cela peut prendre quelques minutes."),
        es: format!("De camino a {address}. Puede tardar unos minutos."),
    }
    /// They are, and were not taken so far.
    fn sent_later(address: &str, why: &str) {
        en: format!("Not delivered to {address} yet. We keep trying. The mail server says: {why}"),
        de: format!("Noch nicht an {address} zugestellt. Wir versuchen es weiter. Der Mailserver sagt: {why}"),
        fr: format!("Pas encore remis à {address}. Nous réessayons. Le serveur de messagerie répond\u{a0}: {why}"),
        es: format!("Aún sin entregar a {address}. Seguimos intentándolo. El servidor de correo dice: {why}"),
    }
    /// The address does not take them.
    fn sent_refused(address: &str, why: &str) {
        en: format!("The mail to {address} was refused. Check the address below. The mail server says: {why}"),
        de: format!("Die E-Mail an {address} wurde abgelehnt. Prüfen Sie unten die Adresse. Der Mailserver sagt: {why}"),
        fr: format!("L’e-mail à {address} a été refusé. Vérifiez l’adresse ci-dessous. Le serveur de messagerie répond\u{a0}: {why}"),
        es: format!("El correo a {address} ha sido rechazado. Revise la dirección más abajo. El servidor de correo dice: {why}"),
    }
    /// It was tried for a day.
    fn sent_not(address: &str) {
        en: format!("The mail to {address} could not be delivered. Check the address below, or send it again."),
        de: format!("Die E-Mail an {address} konnte nicht zugestellt werden. Prüfen Sie unten die Adresse, oder senden Sie die Tickets noch einmal."),
        fr: format!("Le message à {address} n’a pas pu être remis. Vérifiez l’adresse ci-dessous ou renvoyez-le."),
        es: format!("El correo a {address} no pudo entregarse. Revise la dirección más abajo o envíelo de nuevo."),
    }
    /// There is no relay.
    fn sent_no_relay(address: &str) {
        en: format!("Not sent to {address} yet: this box office cannot send mail at the moment. Keep the address of this page: your tickets are here."),
        de: format!("Noch nicht an {address} gesendet: Dieser Ticketshop kann zurzeit keine E-Mails versenden. Bewahren Sie die Adresse dieser Seite auf: Ihre Tickets sind hier."),
        fr: format!("Pas encore envoyés à {address}\u{a0}: cette billetterie ne peut pas envoyer d’e-mails pour le moment. Conservez l’adresse de cette page, vos billets y sont."),
        es: format!("Aún sin enviar a {address}: esta taquilla no puede enviar correos por ahora. Guarde la dirección de esta página: sus entradas están aquí."),
    }
    /// Before the links to the mails.
    fn sent_see() {
        en: "See what the buyer would get:",
        de: "So sähe die E-Mail an den Käufer aus:",
        fr: "Voici ce que recevrait l’acheteur\u{a0}:",
        es: "Esto es lo que recibiría el comprador:",
    }
    /// The button.
    fn mail_send_again() {
        en: "Send the tickets again",
        de: "Tickets noch einmal senden",
        fr: "Renvoyer les billets",
        es: "Enviar las entradas de nuevo",
    }
    /// It was asked for.
    fn sent_again(address: &str) {
        en: format!("The tickets are on the way to {address} again."),
        de: format!("Die Tickets sind noch einmal auf dem Weg an {address}."),
        fr: format!("Les billets sont de nouveau en route vers {address}."),
        es: format!("Las entradas van de nuevo de camino a {address}."),
    }
    /// Too soon.
    fn sent_lately() {
        en: "Your tickets were sent a short while ago, or are on the way already. Please wait a little before you send them again.",
        de: "Ihre Tickets wurden gerade erst gesendet oder sind schon auf dem Weg. Bitte warten Sie ein wenig, bevor Sie sie noch einmal senden.",
        fr: "Vos billets viennent d’être envoyés ou sont déjà en route. Veuillez attendre un peu avant de les renvoyer.",
        es: "Sus entradas se enviaron hace poco o ya van de camino. Espere un poco antes de enviarlas de nuevo.",
    }
    /// Opens the form.
    fn address_change() {
        en: "Change the address",
        de: "Adresse ändern",
        fr: "Modifier l’adresse",
        es: "Cambiar la dirección",
    }
    /// The field.
    fn address_new() {
        en: "New e-mail address",
        de: "Neue E-Mail-Adresse",
        fr: "Nouvelle adresse e-mail",
        es: "Nueva dirección de correo",
    }
    /// What follows.
    fn address_hint() {
        en: "We send the tickets there, and tell the old address that it was changed.",
        de: "Die Tickets werden dorthin gesendet. Die bisherige Adresse erfährt von der Änderung.",
        fr: "Les billets y sont envoyés. L’ancienne adresse est informée du changement.",
        es: "Las entradas se envían allí. A la dirección anterior se le avisa del cambio.",
    }
    /// The button.
    fn address_save() {
        en: "Change and send",
        de: "Ändern und senden",
        fr: "Modifier et envoyer",
        es: "Cambiar y enviar",
    }
    /// It was done.
    fn address_changed(address: &str) {
        en: format!("The address is now {address}. The tickets are on the way to it."),
        de: format!("Die Adresse ist jetzt {address}. Die Tickets sind dorthin unterwegs."),
        fr: format!("L’adresse est maintenant {address}. Les billets y sont en route."),
        es: format!("La dirección es ahora {address}. Las entradas van de camino."),
    }
    /// It cannot be done.
    fn address_fixed() {
        en: "The address of this order cannot be changed.",
        de: "Die Adresse dieser Bestellung kann nicht geändert werden.",
        fr: "L’adresse de cette commande ne peut pas être modifiée.",
        es: "La dirección de este pedido no se puede cambiar.",
    }
    /// Why: it was changed again and again.
    fn address_too_often() {
        en: "The address was changed several times today. Please wait until tomorrow, or ask the organiser.",
        de: "Die Adresse wurde heute schon mehrmals geändert. Bitte warten Sie bis morgen, oder wenden Sie sich an den Veranstalter.",
        fr: "L’adresse a déjà été modifiée plusieurs fois aujourd’hui. Veuillez attendre demain ou vous adresser à l’organisateur.",
        es: "La dirección ya se ha cambiado varias veces hoy. Espere hasta mañana o diríjase al organizador.",
    }
    /// Why: another order.
    fn address_newest() {
        en: "You have other orders for this event under the same address. Change theirs first, the oldest one first.",
        de: "Sie haben unter derselben Adresse weitere Bestellungen für diese Veranstaltung. Ändern Sie zuerst deren Adresse, die älteste zuerst.",
        fr: "Vous avez d’autres commandes pour cet événement à la même adresse. Modifiez d’abord la leur, la plus ancienne en premier.",
        es: "Tiene otros pedidos para este evento con la misma dirección. Cambie antes la de esos, empezando por el más antiguo.",
    }
    /// Why: the limit of a buyer.
    fn address_limit(limit: u32) {
        en: format!("That address has tickets for this event already; together they would be more than {limit}."),
        de: format!("Zu dieser Adresse gibt es für diese Veranstaltung schon Tickets; zusammen wären es mehr als {limit}."),
        fr: format!("Cette adresse a déjà des billets pour cet événement\u{202f}; ensemble ils dépasseraient {limit}."),
        es: format!("Esa dirección ya tiene entradas para este evento; juntas serían más de {limit}."),
    }

    // A mail as a page.

    /// Its title.
    fn mail_page_title() {
        en: "The mail as the buyer would get it",
        de: "Die E-Mail, wie sie beim Käufer ankäme",
        fr: "Le message tel que l’acheteur le recevrait",
        es: "El correo tal como lo recibiría el comprador",
    }
    /// To whom.
    fn mail_to() {
        en: "To",
        de: "An",
        fr: "À",
        es: "Para",
    }
    /// The subject.
    fn mail_subject() {
        en: "Subject",
        de: "Betreff",
        fr: "Objet",
        es: "Asunto",
    }
    /// Where answers go.
    fn mail_reply_to() {
        en: "Answers go to",
        de: "Antworten gehen an",
        fr: "Réponses à",
        es: "Respuestas a",
    }
    /// Files.
    fn mail_files() {
        en: "Attached",
        de: "Anhang",
        fr: "Pièces jointes",
        es: "Adjuntos",
    }
    /// The text part.
    fn mail_text() {
        en: "The same as text",
        de: "Dieselbe E-Mail als Text",
        fr: "Le même message en texte brut",
        es: "El mismo correo como texto",
    }
    /// The HTML part.
    fn mail_html() {
        en: "The mail",
        de: "Die E-Mail",
        fr: "Le message",
        es: "El correo",
    }
    /// Back.
    fn mail_back() {
        en: "Back to the order",
        de: "Zurück zur Bestellung",
        fr: "Retour à la commande",
        es: "Volver al pedido",
    }
    /// There is nothing to be told any more.
    fn mail_needless() {
        en: "This mail would not be sent any more: it no longer has anything to tell.",
        de: "Diese E-Mail würde nicht mehr gesendet: Es gibt nichts mehr mitzuteilen.",
        fr: "Ce message ne serait plus envoyé\u{a0}: il n’y a plus rien à dire.",
        es: "Este correo ya no se enviaría: no hay nada que comunicar.",
    }
    /// Which mail: an order's tickets.
    fn mail_kind_tickets() { en: "the tickets", de: "die Tickets", fr: "les billets", es: "las entradas" }
    /// The tickets again.
    fn mail_kind_again() { en: "the tickets again", de: "die Tickets noch einmal", fr: "les billets à nouveau", es: "las entradas de nuevo" }
    /// A refund.
    fn mail_kind_refunded() { en: "a refund", de: "eine Erstattung", fr: "un remboursement", es: "un reembolso" }
    /// No tickets.
    fn mail_kind_void() { en: "no tickets", de: "keine Tickets", fr: "pas de billets", es: "sin entradas" }
    /// Moved.
    fn mail_kind_moved() { en: "a new date or place", de: "ein neuer Termin oder Ort", fr: "une nouvelle date ou un nouveau lieu", es: "una nueva fecha o lugar" }
    /// Cancelled.
    fn mail_kind_canceled() { en: "the cancellation", de: "die Absage", fr: "l’annulation", es: "la cancelación" }
    /// Another address.
    fn mail_kind_address() { en: "another address", de: "eine andere Adresse", fr: "une autre adresse", es: "otra dirección" }
}
