//! The catalogue. Codes are stable: an entry may gain better words, never another code or meaning.
//!
//! `{name}` is the extension member of the problem document of that name; a part between `<` and `>`
//! is left out when its member is absent.

use super::{Entry, Fault};

macro_rules! catalogue {
    ($($variant:ident $code:literal $fault:ident $status:literal
        $fr:literal $en:literal
        $remedy_fr:literal $remedy_en:literal)*) => {
        /// A way in which a request can fail.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $en)] $variant,)*
        }

        impl Code {
            /// Every code of this version.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub(super) const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &Entry {
                        code: $code,
                        fault: Fault::$fault,
                        status: $status,
                        fr: $fr,
                        en: $en,
                        remedy_fr: $remedy_fr,
                        remedy_en: $remedy_en,
                    },)*
                }
            }
        }
    };
}

catalogue! {
    AddressUnavailable "address.unavailable" Configuration 409
        "L'adresse< {address}> ne peut pas être utilisée< : {reason}>."
        "The address< {address}> cannot be used<: {reason}>."
        "Choisissez un autre port avec --listen, ou 0 pour un port libre quelconque."
        "Choose another port with --listen, or 0 for any free port."
    CallerBadRequest "caller.bad_request" Caller 400
        "Le logiciel a envoyé une demande incorrecte< : {reason}>."
        "The program sent an incorrect request<: {reason}>."
        "Signalez-le à l'éditeur du logiciel qui a fait la demande."
        "Report it to the maker of the program that asked."
    CallerDenied "caller.denied" Caller 403
        "Ce programme n'est pas autorisé à utiliser votre carte."
        "This program is not allowed to use your card."
        "Lancez le logiciel depuis votre propre session, sous votre nom d'utilisateur."
        "Start the program from your own session, under your user name."
    CallerMediaType "caller.media_type" Caller 415
        "Le logiciel a envoyé sa demande dans un format qui n'est pas accepté ici."
        "The program sent its request in a format that is not accepted here."
        "Signalez-le à l'éditeur du logiciel : le format attendu est décrit dans /v1/openapi.json."
        "Report it to the maker of the program: the expected format is described in /v1/openapi.json."
    CallerMethod "caller.method" Caller 405
        "Cette opération n'existe pas sous cette forme."
        "This operation does not exist in this form."
        "Signalez-le à l'éditeur du logiciel : les opérations sont décrites dans /v1/openapi.json."
        "Report it to the maker of the program: operations are described in /v1/openapi.json."
    CallerNotFound "caller.not_found" Caller 404
        "Cette opération n'existe pas dans cette version du service."
        "This operation does not exist in this version of the service."
        "Vérifiez que le service cpsd et le logiciel sont à jour."
        "Check that the cpsd service and the program are up to date."
    CallerSlow "caller.slow" Caller 408
        "Le logiciel n'a pas fini d'envoyer sa demande dans le temps imparti."
        "The program did not finish sending its request in the time allowed."
        "Recommencez ; si cela se reproduit, signalez-le à l'éditeur du logiciel."
        "Try again; if it happens again, report it to the maker of the program."
    CallerTooLarge "caller.too_large" Caller 413
        "Le document est trop volumineux< : {limit_bytes} octets au plus>."
        "The document is too large<: {limit_bytes} bytes at most>."
        "Demandez une signature détachée, dont la taille n'est pas limitée, ou réduisez le document."
        "Ask for a detached signature, which has no size limit, or make the document smaller."
    CallerTooMany "caller.too_many" Caller 429
        "Ce logiciel fait trop de demandes à la fois."
        "This program makes too many requests at once."
        "Attendez que ses demandes en cours se terminent, ou fermez-le."
        "Wait until its running requests end, or close it."
    CallerUnknown "caller.unknown" Caller 403
        "Le programme qui fait la demande n'a pas pu être identifié."
        "The program that asks could not be identified."
        "Relancez le logiciel et recommencez ; il doit rester ouvert pendant la demande."
        "Start the program again and retry; it must stay open during the request."
    CardAbsent "card.absent" Card 409
        "Aucune carte CPS n'est présente< sous le numéro {card}>."
        "No CPS card is present< under the number {card}>."
        "Insérez votre carte dans le lecteur, puce vers le haut, et recommencez."
        "Insert your card in the reader, chip up, and try again."
    CardAmbiguous "card.ambiguous" Caller 409
        "Plusieurs cartes sont présentes< : {serials}>."
        "Several cards are present<: {serials}>."
        "Retirez celles qui ne servent pas, ou choisissez la carte par son numéro de série (cps --card)."
        "Take out those not needed, or choose the card by its serial number (cps --card)."
    CardBusy "card.busy" Card 409
        "Un autre logiciel garde la carte pour lui."
        "Another program keeps the card for itself."
        "Attendez qu'il ait fini, ou fermez-le, puis recommencez."
        "Wait until it has finished, or close it, then try again."
    CardMalformed "card.malformed" Card 502
        "La carte a donné une réponse qui n'a pas de sens< : {reason}>."
        "The card gave an answer that makes no sense<: {reason}>."
        "Nettoyez la puce, réinsérez la carte et recommencez ; si cela persiste, « cps doctor --card-report » aide à comprendre pourquoi."
        "Clean the chip, insert the card again and retry; if it persists, 'cps doctor --card-report' helps to understand why."
    CardMute "card.mute" Card 409
        "La carte ne répond pas."
        "The card does not answer."
        "Vérifiez qu'elle est insérée jusqu'au fond, puce vers le haut ; nettoyez la puce au besoin."
        "Check that it is fully inserted, chip up; clean the chip if needed."
    CardNoKey "card.no_key" Card 409
        "La carte ne contient pas la clé nécessaire à cette opération."
        "The card does not hold the key that this operation needs."
        "Utilisez une carte qui porte un certificat de ce type ; « cps status » montre ceux de la vôtre."
        "Use a card that has a certificate of this kind; 'cps status' shows those of yours."
    CardReading "card.reading" Card 503
        "La carte est encore en cours de lecture."
        "The card is still being read."
        "Recommencez dans quelques secondes."
        "Try again in a few seconds."
    CardRefused "card.refused" Card 502
        "La carte a refusé l'opération< (réponse {status_word})>."
        "The card refused the operation< (answer {status_word})>."
        "Retirez la carte, réinsérez-la et recommencez."
        "Take the card out, insert it again and retry."
    CardRemoved "card.removed" Card 409
        "La carte a été retirée pendant l'opération."
        "The card was taken out during the operation."
        "Réinsérez la carte et recommencez ; aucun essai de code n'a été perdu."
        "Insert the card again and retry; no PIN try was lost."
    CardReset "card.reset" Card 409
        "Un autre programme a réinitialisé la carte pendant l'opération."
        "Another program reset the card during the operation."
        "Recommencez ; si cela se reproduit, fermez les autres logiciels qui utilisent la carte."
        "Try again; if it happens again, close the other programs that use the card."
    CardTechnicalOnly "card.technical_only" Card 409
        "En mode sans contact, la carte ne permet ni de vous identifier ni de signer."
        "Without contact, the card can neither identify you nor sign."
        "Insérez la carte dans un lecteur à contact."
        "Insert the card in a contact reader."
    CardUnknown "card.unknown" Card 409
        "La carte présente n'est pas une carte CPS reconnue< (ATR {atr})>."
        "The card present is not a known CPS card< (ATR {atr})>."
        "Vérifiez que vous avez inséré votre carte CPS, et non une carte Vitale ou bancaire."
        "Check that you inserted your CPS card, not a Vitale or bank card."
    CardUnsupported "card.unsupported" Card 409
        "La carte ne sait pas faire cette opération< : {reason}>."
        "The card cannot do this operation<: {reason}>."
        "Demandez à l'éditeur du logiciel une opération que votre carte permet."
        "Ask the maker of the program for an operation that your card allows."
    CardUpdateUnfinished "card.update_unfinished" Card 409
        "Une mise à jour de la carte a été commencée et n'est pas terminée."
        "An update of the card was begun and is not finished."
        "Terminez-la avec l'outil de mise à jour de l'Agence du numérique en santé."
        "Finish it with the update tool of the Agence du numérique en santé."
    CertificateClockSkew "certificate.clock_skew" Configuration 409
        "L'horloge de cet ordinateur semble fausse : le certificat ne peut pas être vérifié."
        "The clock of this computer seems wrong: the certificate cannot be checked."
        "Réglez la date et l'heure de l'ordinateur, puis recommencez."
        "Set the date and time of the computer, then try again."
    CertificateExpired "certificate.expired" Card 409
        "Le certificat de la carte est expiré< depuis le {date}>."
        "The certificate of the card has expired< since {date}>."
        "Demandez le renouvellement de votre carte à l'Agence du numérique en santé."
        "Ask the Agence du numérique en santé to renew your card."
    CertificateExpiring "certificate.expiring" Card 409
        "Le certificat de la carte expire bientôt< : le {date}>."
        "The certificate of the card expires soon<: on {date}>."
        "Vérifiez que le renouvellement de votre carte est en cours auprès de l'Agence du numérique en santé."
        "Check with the Agence du numérique en santé that the renewal of your card is under way."
    CertificateIdentifierDoubtful "certificate.identifier_doubtful" Card 409
        "L'identifiant national< {identifier}> que porte la carte ne s'accorde pas avec sa clé de contrôle."
        "The national identifier< {identifier}> on the card does not agree with its check digit."
        "La carte reste utilisable. Comparez ce numéro avec celui de l'Annuaire Santé ; s'il est faux, signalez-le à l'Agence du numérique en santé."
        "The card stays usable. Compare this number with that of the national directory (Annuaire Santé); if it is wrong, report it to the Agence du numérique en santé."
    CertificateKeyPeriodOver "certificate.key_period_over" Card 409
        "La clé de la carte n'a plus le droit de signer< depuis le {date}>, même si le certificat reste valable."
        "The key of the card may no longer sign< since {date}>, even though the certificate is still valid."
        "Demandez le renouvellement de votre carte à l'Agence du numérique en santé."
        "Ask the Agence du numérique en santé to renew your card."
    CertificateNotYetValid "certificate.not_yet_valid" Card 409
        "Le certificat de la carte n'est pas encore valable< avant le {date}>."
        "The certificate of the card is not valid yet< before {date}>."
        "Vérifiez la date de l'ordinateur ; si elle est juste, attendez la date de début de validité."
        "Check the date of the computer; if it is right, wait for the start of validity."
    CertificateObsolete "certificate.obsolete" Card 409
        "La carte est d'une génération qui n'est plus acceptée."
        "The card is of a generation that is no longer accepted."
        "Demandez une nouvelle carte à l'Agence du numérique en santé."
        "Ask the Agence du numérique en santé for a new card."
    CertificateRevoked "certificate.revoked" Card 409
        "La carte a été mise en opposition< depuis le {date}>."
        "The card has been revoked< since {date}>."
        "N'utilisez plus cette carte et contactez l'Agence du numérique en santé."
        "Stop using this card and contact the Agence du numérique en santé."
    CertificateTestInProduction "certificate.test_in_production" Card 409
        "C'est une carte de test : elle n'est pas acceptée avec les services réels."
        "This is a test card: it is not accepted with real services."
        "Utilisez votre carte réelle, ou réglez environment = \"test\" dans la configuration du poste d'essai."
        "Use your real card, or set environment = \"test\" in the configuration of the test workstation."
    CertificateUntrusted "certificate.untrusted" Card 409
        "Le certificat de la carte n'a pas pu être rattaché à l'autorité de certification santé< : {reason}>."
        "The certificate of the card could not be traced to the health certification authority<: {reason}>."
        "Installez les certificats de l'IGC-Santé avec « cps trust import », puis recommencez."
        "Install the IGC-Santé certificates with 'cps trust import', then try again."
    ConfigInvalid "config.invalid" Configuration 500
        "La configuration du service est incorrecte< : {reason}>."
        "The configuration of the service is wrong<: {reason}>."
        "Corrigez le fichier de configuration, puis relancez le service : systemctl --user restart cpsd."
        "Correct the configuration file, then restart the service: systemctl --user restart cpsd."
    DaemonAbsent "daemon.absent" Configuration 503
        "Le service cpsd ne fonctionne pas< : rien ne répond sur {socket}>."
        "The cpsd service is not running<: nothing answers at {socket}>."
        "Démarrez-le : systemctl --user start cpsd.socket ; « cps doctor » en dit davantage."
        "Start it: systemctl --user start cpsd.socket; 'cps doctor' tells more."
    DaemonForeign "daemon.foreign" Configuration 403
        "Le point d'accès< {socket}> appartient à un autre utilisateur : rien ne lui a été envoyé."
        "The socket< {socket}> belongs to another user: nothing was sent to it."
        "N'utilisez que le service lancé dans votre propre session ; prévenez votre informaticien."
        "Use only the service started in your own session; tell your administrator."
    DaemonNoSocketPath "daemon.no_socket_path" Configuration 503
        "L'emplacement du service cpsd est inconnu : XDG_RUNTIME_DIR n'est pas défini."
        "The place of the cpsd service is unknown: XDG_RUNTIME_DIR is not set."
        "Ouvrez une session sur ce poste, ou indiquez le point d'accès avec --socket ou CPSD_SOCKET."
        "Open a session on this workstation, or name the socket with --socket or CPSD_SOCKET."
    DaemonProtocol "daemon.protocol" Internal 502
        "Le service cpsd a donné une réponse incompréhensible< : {reason}>."
        "The cpsd service gave an answer that cannot be understood<: {reason}>."
        "Vérifiez que cps et cpsd sont de la même version, puis relancez : systemctl --user restart cpsd."
        "Check that cps and cpsd have the same version, then restart: systemctl --user restart cpsd."
    DaemonStopping "daemon.stopping" Internal 503
        "Le service cpsd est en train de s'arrêter."
        "The cpsd service is stopping."
        "Recommencez dans un instant."
        "Try again in a moment."
    DaemonTimeout "daemon.timeout" Internal 504
        "Le service cpsd n'a pas répondu dans le temps imparti."
        "The cpsd service did not answer in time."
        "Vérifiez qu'aucune fenêtre ne vous attend, puis recommencez."
        "Check that no window is waiting for you, then try again."
    FileAmongInputs "file.among_inputs" Caller 400
        "Le fichier à écrire< ({file})> est aussi l'un des fichiers à protéger."
        "The file to write< ({file})> is also one of the files to protect."
        "Donnez un autre nom à l'archive."
        "Give the archive another name."
    FileExists "file.exists" Caller 409
        "Le fichier< {file}> existe déjà : il n'est pas remplacé."
        "The file< {file}> already exists: it is not replaced."
        "Choisissez un autre nom, ou ajoutez --force pour le remplacer."
        "Choose another name, or add --force to replace it."
    FileFolder "file.folder" Caller 400
        "Le chemin< {file}> désigne un dossier et non un fichier."
        "The path< {file}> leads to a folder, not to a file."
        "Donnez les fichiers qu'il contient, un par un."
        "Give the files that are in it, one by one."
    FileLink "file.link" Caller 400
        "Le chemin< {file}> désigne un lien symbolique : il n'est pas suivi, pour que rien d'autre que ce que vous nommez ne soit pris."
        "The path< {file}> is a symbolic link: it is not followed, so that nothing but what you name is taken."
        "Donnez le fichier lui-même."
        "Give the file itself."
    FileName "file.name" Caller 400
        "Le nom du fichier< {file}> ne peut pas être repris : tous les ordinateurs ne le liraient pas."
        "The name of the file< {file}> cannot be kept: not every computer would read it."
        "Renommez le fichier, ou choisissez avec --name celui qu'il aura dans l'archive."
        "Rename the file, or choose with --name the one it will have in the archive."
    FileSameName "file.same_name" Caller 400
        "Deux fichiers auraient le même nom< ({file})> dans l'archive, ou le même aux majuscules près."
        "Two files would have the same name< ({file})> in the archive, or the same but for capitals."
        "Renommez l'un d'eux, ou ajoutez --name pour qu'ils soient numérotés."
        "Rename one of them, or add --name to have them numbered."
    FileSpecial "file.special" Caller 400
        "Le chemin< {file}> ne désigne pas un fichier ordinaire."
        "The path< {file}> is not an ordinary file."
        "Donnez un fichier ordinaire."
        "Give an ordinary file."
    FileUnreadable "file.unreadable" Caller 400
        "Le fichier< {file}> ne peut pas être lu< : {reason}>."
        "The file< {file}> cannot be read<: {reason}>."
        "Vérifiez le nom du fichier et vos droits sur lui."
        "Check the name of the file and your rights on it."
    FileUnwritable "file.unwritable" Caller 400
        "Le fichier< {file}> ne peut pas être écrit< : {reason}>."
        "The file< {file}> cannot be written<: {reason}>."
        "Vérifiez vos droits sur le dossier et l'espace libre du disque."
        "Check your rights on the folder and the free space of the disk."
    GrantDenied "grant.denied" Caller 403
        "Vous avez refusé cette utilisation de votre carte."
        "You refused this use of your card."
        "Si c'était une erreur, recommencez et acceptez la demande."
        "If this was a mistake, try again and accept the request."
    GrantMissing "grant.missing" Caller 403
        "Ce logiciel n'a pas encore votre accord pour cette utilisation de la carte."
        "This program does not have your agreement for this use of the card yet."
        "Recommencez depuis votre session graphique, afin que la question puisse vous être posée."
        "Try again from your graphical session, so that you can be asked."
    GrantUnknown "grant.unknown" Caller 404
        "Cette autorisation n'existe pas, ou plus."
        "This grant does not exist, or no longer."
        "« cps grants » montre les autorisations en vigueur."
        "'cps grants' shows the grants in force."
    Internal "internal" Internal 500
        "Le service cpsd a rencontré une erreur imprévue."
        "The cpsd service met an unexpected error."
        "Recommencez ; si cela se reproduit, signalez-le avec le journal du service : journalctl --user -u cpsd."
        "Try again; if it happens again, report it with the log of the service: journalctl --user -u cpsd."
    JournalBroken "journal.broken" Configuration 500
        "Le journal des utilisations de la carte a été modifié ou abîmé< à l'entrée {sequence}>."
        "The journal of the uses of the card was altered or damaged< at entry {sequence}>."
        "Conservez le fichier tel quel et prévenez la personne chargée de la sécurité ; « cps journal verify » donne le détail."
        "Keep the file as it is and tell the person in charge of security; 'cps journal verify' gives details."
    JournalUnavailable "journal.unavailable" Configuration 503
        "Le journal ne peut pas être écrit : la carte n'est donc pas utilisée."
        "The journal cannot be written, so the card is not used."
        "Libérez de l'espace sur le disque et vérifiez les droits du dossier d'état de cpsd."
        "Free some disk space and check the permissions of the state folder of cpsd."
    MailAddressInvalid "mail.address_invalid" Caller 400
        "Ce n'est pas une adresse de messagerie< : {address}>."
        "This is not a mail address<: {address}>."
        "Donnez l'adresse complète de la boîte, sous la forme nom@domaine."
        "Give the whole address of the mailbox, in the form name@domain."
    MailCardNotAccepted "mail.card_not_accepted" Server 502
        "L'opérateur de messagerie n'a pas accepté votre carte."
        "The mail operator did not accept your card."
        "Demandez-lui d'ouvrir l'accès de votre carte à la boîte ; une carte de test ne peut servir qu'avec un opérateur de test."
        "Ask it to open the mailbox to your card; a test card only works with a test operator."
    MailCardUnusable "mail.card_unusable" Card 409
        "Le certificat de la carte ne permet pas d'ouvrir la messagerie : il n'est plus, ou pas encore, valable."
        "The certificate of the card does not allow the mailbox to be opened: it is no longer, or not yet, valid."
        "« cps status » dit ce qu'il en est ; demandez au besoin une nouvelle carte à l'Agence du numérique en santé."
        "'cps status' tells what is wrong; if needed, ask the Agence du numérique en santé for a new card."
    MailClientAmbiguous "mail.client_ambiguous" Caller 409
        "Plusieurs logiciels ont un mot de passe pour cette boîte< : {clients}>."
        "Several programs have a password for this mailbox<: {clients}>."
        "Dites lequel avec --client."
        "Say which one with --client."
    MailClosed "mail.closed" Configuration 409
        "La passerelle de messagerie n'écoute pas : elle n'a encore aucune boîte, ou elle n'a pas pu s'ouvrir."
        "The mail gateway does not listen: it has no mailbox yet, or it could not be opened."
        "Ajoutez votre boîte avec cps mail add ; si elle y est déjà, voyez cps doctor."
        "Add your mailbox with cps mail add; if it is there already, see cps doctor."
    MailDomainNotAllowed "mail.domain_not_allowed" Configuration 403
        "L'adresse< {address}> n'appartient pas à l'espace de confiance MSSanté."
        "The address< {address}> does not belong to the MSSanté trust space."
        "Vérifiez l'adresse ; pour un opérateur que votre informaticien connaît, ajoutez une section [[operator]] à la configuration de cpsd."
        "Check the address; for an operator that your administrator knows, add an [[operator]] section to the configuration of cpsd."
    MailInsecure "mail.insecure" Server 502
        "La connexion avec l'opérateur de messagerie ne peut pas être sécurisée : rien ne lui a été envoyé."
        "The connection with the mail operator cannot be secured: nothing was sent to it."
        "Recommencez depuis un autre réseau ; si cela persiste, signalez-le à l'opérateur."
        "Try again from another network; if it persists, report it to the operator."
    MailLookupFailed "mail.lookup_failed" Server 502
        "Les serveurs de messagerie< de {domain}> n'ont pas pu être recherchés< : {reason}>."
        "The mail servers< of {domain}> could not be looked up<: {reason}>."
        "Vérifiez la connexion au réseau, puis recommencez."
        "Check the network connection, then try again."
    MailMailboxExists "mail.mailbox_exists" Caller 409
        "La boîte< {address}> est déjà là."
        "The mailbox< {address}> is already there."
        "Pour un autre logiciel de messagerie, faites un mot de passe de plus : cps mail rotate< {address}> --client NOM."
        "For another mail program, make one more password: cps mail rotate< {address}> --client NAME."
    MailMailboxUnknown "mail.mailbox_unknown" Caller 404
        "La boîte< {address}> n'est pas parmi celles que cpsd ouvre."
        "The mailbox< {address}> is not among those that cpsd opens."
        "« cps mail list » les montre ; « cps mail add » en ajoute une."
        "'cps mail list' shows them; 'cps mail add' adds one."
    MailNoMechanism "mail.no_mechanism" Server 502
        "L'opérateur de messagerie ne propose pas la façon de s'identifier qui est configurée."
        "The mail operator does not offer the configured way to log in."
        "Vérifiez « login » et « smtp_login » dans la section [[operator]] de la configuration."
        "Check 'login' and 'smtp_login' in the [[operator]] section of the configuration."
    MailNoToken "mail.no_token" Configuration 503
        "Aucun jeton d'accès n'a pu être obtenu pour cette boîte."
        "No access token could be obtained for this mailbox."
        "Vérifiez la connexion au réseau, et « token_command » dans la section [[operator]] de la configuration."
        "Check the network connection, and 'token_command' in the [[operator]] section of the configuration."
    MailNotYourMailbox "mail.not_your_mailbox" Server 409
        "L'opérateur n'ouvre pas cette boîte à votre carte."
        "The operator does not open this mailbox to your card."
        "Vérifiez l'adresse, puis demandez à l'opérateur de rattacher la boîte à votre identité ; ajoutez une boîte partagée avec --shared."
        "Check the address, then ask the operator to attach the mailbox to your identity; add a shared mailbox with --shared."
    MailOperatorFailed "mail.operator_failed" Server 502
        "L'opérateur de messagerie a une défaillance."
        "The mail operator has a failure of its own."
        "Recommencez plus tard ; si cela persiste, signalez-le à l'opérateur."
        "Try again later; if it persists, report it to the operator."
    MailOperatorRefused "mail.operator_refused" Server 502
        "Le serveur désigné pour les boîtes< de {domain}> n'est pas accepté< : {reason}>."
        "The server named for the mailboxes< of {domain}> is not accepted<: {reason}>."
        "N'insistez pas : signalez-le à l'opérateur. S'il est bien le bon, votre informaticien peut le nommer dans une section [[operator]]."
        "Do not insist: report it to the operator. If it is the right one, your administrator can name it in an [[operator]] section."
    MailOperatorUnknown "mail.operator_unknown" Configuration 409
        "L'opérateur des boîtes< de {domain}> ne publie pas où sont ses serveurs."
        "The operator of the mailboxes< of {domain}> does not publish where its servers are."
        "Vérifiez l'adresse ; si elle est juste, demandez ses serveurs IMAP et SMTP à l'opérateur et mettez-les dans une section [[operator]] de la configuration."
        "Check the address; if it is right, ask the operator for its IMAP and SMTP servers and put them in an [[operator]] section of the configuration."
    MailOperatorWithdrawn "mail.operator_withdrawn" Configuration 409
        "La configuration ne permet plus d'ouvrir la boîte< {address}> : son opérateur n'y est plus."
        "The configuration no longer allows the mailbox< {address}> to be opened: its operator is not there any more."
        "Remettez sa section [[operator]], ou retirez la boîte (cps mail remove) et ajoutez-la de nouveau."
        "Put its [[operator]] section back, or remove the mailbox (cps mail remove) and add it again."
    MailOtherCard "mail.other_card" Card 409
        "La carte présente n'est pas celle de cette boîte."
        "The card present is not that of this mailbox."
        "Insérez la carte de la personne à qui est la boîte ; « cps mail list » dit qui c'est."
        "Insert the card of the person whose mailbox it is; 'cps mail list' says who."
    MailPasswordUnknown "mail.password_unknown" Caller 404
        "Ce mot de passe d'application n'existe pas, ou plus."
        "This application password does not exist, or no longer."
        "« cps mail list » montre ceux de chaque boîte."
        "'cps mail list' shows those of each mailbox."
    MailPortUnavailable "mail.port_unavailable" Configuration 409
        "L'adresse< {address}> de la messagerie ne peut pas être ouverte< : {reason}>."
        "The mail address< {address}> cannot be opened<: {reason}>."
        "Fermez le programme qui l'occupe, ou choisissez une autre adresse dans la section [mail] de la configuration."
        "Close the program that occupies it, or choose another address in the [mail] section of the configuration."
    MailStateDamaged "mail.state_damaged" Configuration 409
        "Le fichier des boîtes de messagerie était abîmé : il a été mis de côté< ({file})>."
        "The file of the mailboxes was damaged: it was put aside< ({file})>."
        "Ajoutez de nouveau vos boîtes avec « cps mail add », puis supprimez ce fichier."
        "Add your mailboxes again with 'cps mail add', then delete that file."
    MailTokenRefused "mail.token_refused" Server 502
        "L'opérateur refuse le jeton d'accès pour le moment."
        "The operator refuses the access token for now."
        "Recommencez dans un instant ; si cela persiste, vérifiez que le jeton est bien émis pour cette boîte."
        "Try again in a moment; if it persists, check that the token is issued for this mailbox."
    MailTooMany "mail.too_many" Caller 409
        "Il y en a déjà trop< : {limit} au plus>."
        "There are too many already<: {limit} at most>."
        "Retirez ce qui ne sert plus : « cps mail list » montre les boîtes et leurs mots de passe."
        "Remove what is of no use any more: 'cps mail list' shows the mailboxes and their passwords."
    MailTunnelUnsupported "mail.tunnel_unsupported" Caller 400
        "Ce logiciel< ({program})> ne sait pas passer par une commande ni par une socket Unix."
        "This program< ({program})> can use neither a command nor a Unix socket."
        "Retirez --tunnel : il se connecte au port local."
        "Leave --tunnel out: it connects to the local port."
    ModuleCrashed "module.crashed" Configuration 502
        "Le module PKCS#11< {module}> s'est arrêté brutalement< ({reason})> ; l'opération est perdue."
        "The PKCS#11 module< {module}> crashed<: {reason}>; the operation is lost."
        "Recommencez : il est relancé de lui-même. Si cela se répète, signalez-le à son éditeur, ou retirez-le de la configuration ([[module]])."
        "Try again: it is started again by itself. If it happens repeatedly, tell its maker, or take it out of the configuration ([[module]])."
    ModuleMalformed "module.malformed" Configuration 502
        "Le module PKCS#11< {module}> a donné une réponse qui n'a pas de sens< ({reason})>."
        "The PKCS#11 module< {module}> gave an answer that makes no sense<: {reason}>."
        "Recommencez : il est relancé de lui-même. Si cela se répète, signalez-le à son éditeur, ou retirez-le de la configuration ([[module]])."
        "Try again: it is started again by itself. If it happens repeatedly, tell its maker, or take it out of the configuration ([[module]])."
    ModuleRefused "module.refused" Card 409
        "Le module PKCS#11< {module}> a refusé l'opération< ({reason})>."
        "The PKCS#11 module< {module}> refused the operation<: {reason}>."
        "Vérifiez la carte ou le jeton qu'il pilote ; la documentation du module explique ce code."
        "Check the card or token that it drives; the module's documentation explains this code."
    ModuleTimeout "module.timeout" Configuration 504
        "Le module PKCS#11< {module}> n'a pas répondu à temps ; l'opération est perdue."
        "The PKCS#11 module< {module}> did not answer in time; the operation is lost."
        "Recommencez : il est relancé de lui-même. Vérifiez que la carte ou le jeton qu'il pilote est bien branché."
        "Try again: it is started again by itself. Check that the card or token it drives is connected."
    ModuleUnavailable "module.unavailable" Configuration 503
        "Le module PKCS#11< {module}> ne fonctionne pas< : {reason}>."
        "The PKCS#11 module< {module}> does not run<: {reason}>."
        "Vérifiez son chemin, son environnement et ses dossiers dans la configuration ([[module]])."
        "Check its path, its environment and its folders in the configuration ([[module]])."
    ObjectUndecryptable "object.undecryptable" Caller 422
        "La clé de la carte ne déchiffre pas ces données."
        "The card's key does not decrypt these data."
        "Vérifiez qu'elles ont été chiffrées pour le certificat d'authentification de cette carte."
        "Check that they were encrypted for the authentication certificate of this card."
    ObjectUnknown "object.unknown" Caller 404
        "Cet objet n'existe pas, ou plus, sur une carte présente."
        "This object does not exist, or no longer, on a card that is present."
        "Insérez la carte et recommencez ; le programme doit relire la liste des objets."
        "Insert the card and retry; the program must read the list of objects again."
    PinAlreadyRefused "pin.already_refused" Caller 409
        "Ce code vient d'être refusé par la carte : il ne lui est pas envoyé de nouveau.< Essais restants : {tries_left}.>"
        "The card has just refused this PIN: it is not sent again.< Tries left: {tries_left}.>"
        "Saisissez le bon code ; en cas d'oubli, débloquez la carte avec « cps pin unblock »."
        "Enter the right PIN; if you forgot it, unblock the card with 'cps pin unblock'."
    PinBlocked "pin.blocked" Card 409
        "La carte est bloquée après trop de codes erronés."
        "The card is blocked after too many wrong PINs."
        "Débloquez-la avec « cps pin unblock » et le code de déblocage reçu avec la carte."
        "Unblock it with 'cps pin unblock' and the unblocking code (PUK) received with the card."
    PinCancelled "pin.cancelled" Caller 403
        "La saisie du code a été annulée."
        "The PIN entry was cancelled."
        "Recommencez et saisissez le code de votre carte."
        "Try again and enter the PIN of your card."
    PinFormat "pin.format" Caller 400
        "Le code saisi n'a pas la forme attendue< : de {min} à {max} chiffres>. Il n'a pas été envoyé à la carte."
        "The PIN entered does not have the expected form<: {min} to {max} digits>. It was not sent to the card."
        "Saisissez de nouveau le code de votre carte."
        "Enter the PIN of your card again."
    PinIncorrect "pin.incorrect" Caller 403
        "Le code est incorrect.< Essais restants : {tries_left}.>"
        "The PIN is wrong.< Tries left: {tries_left}.>"
        "Recommencez avec le bon code ; après le dernier essai, la carte se bloque."
        "Try again with the right PIN; after the last try the card blocks."
    PinLastTryDeclined "pin.last_try_declined" Caller 403
        "Il ne reste qu'un seul essai de code, et vous avez choisi de ne pas l'utiliser."
        "Only one PIN try is left, and you chose not to use it."
        "Retrouvez votre code, ou débloquez la carte avec « cps pin unblock » et le code de déblocage."
        "Find your PIN, or unblock the card with 'cps pin unblock' and the unblocking code (PUK)."
    PinRequired "pin.required" Caller 409
        "La carte attend votre code."
        "The card waits for your PIN."
        "Recommencez, ou saisissez d'abord votre code avec « cps login »."
        "Try again, or enter your PIN first with 'cps login'."
    PromptHeldOff "prompt.held_off" Caller 429
        "La dernière fenêtre de ce logiciel n'a pas été acceptée : il doit attendre< {seconds} s> avant d'en montrer une autre."
        "The last window of this program was not accepted: it must wait< {seconds} s> before it shows another."
        "Attendez un instant et recommencez. Si vous n'avez rien demandé, fermez ce logiciel."
        "Wait a moment and try again. If you asked for nothing, close that program."
    PromptTimeout "prompt.timeout" Caller 408
        "Personne n'a répondu à la fenêtre dans le temps imparti."
        "Nobody answered the window in the time allowed."
        "Recommencez et répondez à la fenêtre qui s'affiche."
        "Try again and answer the window that appears."
    PromptUnavailable "prompt.unavailable" Configuration 503
        "La fenêtre de saisie n'a pas pu être affichée."
        "The entry window could not be shown."
        "Installez un programme pinentry (par exemple pinentry-gnome3) ou indiquez le vôtre dans la configuration."
        "Install a pinentry program (for instance pinentry-gnome3) or name yours in the configuration."
    PukBlocked "puk.blocked" Card 409
        "Le code de déblocage est lui-même bloqué : la carte ne peut plus être débloquée."
        "The unblocking code (PUK) is itself blocked: the card can no longer be unblocked."
        "Demandez une nouvelle carte à l'Agence du numérique en santé."
        "Ask the Agence du numérique en santé for a new card."
    PukIncorrect "puk.incorrect" Caller 403
        "Le code de déblocage est incorrect.< Essais restants : {tries_left}.>"
        "The unblocking code (PUK) is wrong.< Tries left: {tries_left}.>"
        "Vérifiez le code de déblocage reçu avec la carte avant de recommencer."
        "Check the unblocking code received with the card before you try again."
    QueueDeadline "queue.deadline" Caller 504
        "L'opération n'a pas pu se terminer dans le temps imparti."
        "The operation could not end in the time allowed."
        "Recommencez lorsque les autres logiciels auront fini d'utiliser la carte."
        "Try again when the other programs have finished with the card."
    QueueFull "queue.full" Caller 503
        "Trop de demandes attendent déjà la carte."
        "Too many requests already wait for the card."
        "Recommencez dans un instant ; fermez les logiciels qui n'ont plus besoin de la carte."
        "Try again in a moment; close the programs that no longer need the card."
    ReaderAbsent "reader.absent" Reader 409
        "Aucun lecteur de carte n'est branché, ou le système ne le reconnaît pas."
        "No card reader is plugged in, or the system does not recognise it."
        "Branchez le lecteur ; s'il l'est déjà, essayez une autre prise USB et vérifiez que son pilote (libccid) est installé."
        "Plug the reader in; if it is, try another USB socket and check that its driver (libccid) is installed."
    ReaderError "reader.error" Reader 502
        "Le lecteur de carte a signalé une erreur< : {reason}>."
        "The card reader reported an error<: {reason}>."
        "Débranchez puis rebranchez le lecteur, et recommencez."
        "Unplug the reader, plug it in again, and retry."
    ReaderServiceAbsent "reader.service_absent" Reader 503
        "Le service des lecteurs de carte (pcscd) ne fonctionne pas."
        "The card reader service (pcscd) is not running."
        "Installez-le et démarrez-le : sudo apt install pcscd, puis sudo systemctl start pcscd.socket."
        "Install it and start it: sudo apt install pcscd, then sudo systemctl start pcscd.socket."
    SetupAdministrator "setup.administrator" Caller 403
        "Seul l'administrateur peut écrire< {file}>."
        "Only the administrator may write< {file}>."
        "Lancez : sudo cps setup system."
        "Run: sudo cps setup system."
    SetupAnotherUser "setup.another_user" Caller 409
        "Ce dossier personnel< ({home})> n'est pas celui de l'utilisateur qui lance cette commande."
        "This home folder< ({home})> does not belong to the user who runs this command."
        "Lancez la commande sous votre propre nom d'utilisateur, sans sudo."
        "Run the command under your own user name, without sudo."
    SetupChanged "setup.changed" Caller 409
        "La situation a changé depuis que la question a été posée : rien n'a été fait ici."
        "The situation changed after you were asked: nothing was done here."
        "Recommencez : la nouvelle situation vous sera montrée."
        "Try again: the new situation will be shown to you."
    SetupConflict "setup.conflict" Configuration 409
        "Un autre module porte déjà ce nom< ({name})>< : {file}>."
        "Another module already has this name< ({name})><: {file}>."
        "Renommez-le ou retirez-le dans le programme, puis recommencez."
        "Rename or remove it in the program, then try again."
    SetupDeclined "setup.declined" Caller 409
        "Vous n'avez pas accepté ces changements : rien n'a été fait."
        "You did not agree to these changes: nothing was done."
        "Recommencez et répondez « o », ou ajoutez --yes dans un script."
        "Try again and answer 'y', or add --yes in a script."
    SetupForeignFile "setup.foreign_file" Configuration 409
        "Le fichier< {file}> n'a pas été écrit par cps : il n'est pas modifié."
        "The file< {file}> was not written by cps: it is left as it is."
        "Faites le changement vous-même< : {addition}>."
        "Make the change yourself<: {addition}>."
    SetupModuleAbsent "setup.module_absent" Configuration 409
        "Le module PKCS#11 n'est pas là< : {file}>."
        "The PKCS#11 module is not there<: {file}>."
        "Installez le paquet cpsd, ou donnez l'emplacement du module avec --module."
        "Install the cpsd package, or give the place of the module with --module."
    SetupNeverOpened "setup.never_opened" Configuration 409
        "Le programme< {program}> n'a encore jamais été ouvert ici : il n'a pas de profil."
        "The program< {program}> was never opened here: it has no profile."
        "Ouvrez-le une fois, fermez-le, puis recommencez."
        "Open it once, close it, then try again."
    SetupNothingFound "setup.nothing_found" Configuration 409
        "Aucun programme qui puisse utiliser la carte n'a été trouvé ici."
        "No program that could use the card was found here."
        "Installez le programme, ouvrez-le une fois, fermez-le, puis recommencez."
        "Install the program, open it once, close it, then try again."
    SetupProgramRunning "setup.program_running" Caller 409
        "Le programme< {program}> est ouvert : son réglage ne peut pas être changé maintenant."
        "The program< {program}> is running: its settings cannot be changed now."
        "Fermez toutes ses fenêtres, puis recommencez."
        "Close all its windows, then try again."
    SetupSandboxed "setup.sandboxed" Configuration 409
        "Le programme< {program}> vient d'un paquet fermé< ({format})> : son bac à sable l'empêche de charger le module et de joindre le service."
        "The program< {program}> comes from a confined package< ({format})>: its sandbox keeps it from loading the module and from reaching the service."
        "Pour la carte, installez-le depuis un paquet classique : celui de votre distribution ou de l'éditeur."
        "For the card, install it from an ordinary package: that of your distribution or of its maker."
    SetupToolAbsent "setup.tool_absent" Configuration 409
        "Le programme nécessaire à ce réglage< ({tool})> n'est pas installé."
        "The program that this setting needs< ({tool})> is not installed."
        "Installez le paquet libnss3-tools (Debian, Ubuntu) ou nss-tools (Fedora)."
        "Install the package libnss3-tools (Debian, Ubuntu) or nss-tools (Fedora)."
    SetupToolFailed "setup.tool_failed" Configuration 409
        "Le programme de réglage< {tool}> a échoué< : {reason}>."
        "The setting program< {tool}> failed<: {reason}>."
        "Vérifiez que le programme à régler est fermé et que son dossier peut être écrit ; avec un mot de passe principal, faites le changement dans ses préférences."
        "Check that the program to set up is closed and that its folder can be written; with a primary password, make the change in its preferences."
    SetupUnregistered "setup.unregistered" Configuration 409
        "Le programme< {program}> ne connaît pas la carte : le module PKCS#11 n'y est pas enregistré."
        "The program< {program}> does not know the card: the PKCS#11 module is not registered there."
        "Fermez-le, puis lancez : cps setup< {what}>."
        "Close it, then run: cps setup< {what}>."
    TlsDestinationNotAllowed "tls.destination_not_allowed" Configuration 403
        "Le serveur< {destination}> ne figure pas parmi les destinations autorisées."
        "The server< {destination}> is not among the allowed destinations."
        "Ajoutez une section [[destination]] pour ce serveur dans la configuration de cpsd, si vous lui faites confiance."
        "Add a [[destination]] section for this server in the configuration of cpsd, if you trust it."
    TlsHandshake "tls.handshake" Server 502
        "La connexion sécurisée avec le serveur< {host}> a échoué< : {reason}>."
        "The secure connection with the server< {host}> failed<: {reason}>."
        "Recommencez ; si cela persiste, signalez-le à l'exploitant du service."
        "Try again; if it persists, report it to the operator of the service."
    TlsIssuerNotAccepted "tls.issuer_not_accepted" Server 409
        "Le serveur< {host}> n'accepte pas les cartes de l'autorité qui a émis la vôtre< ({issuer})>."
        "The server< {host}> does not accept cards of the authority that issued yours< ({issuer})>."
        "Vérifiez l'adresse du service ; une carte de test ne peut servir qu'avec un serveur de test."
        "Check the address of the service; a test card only works with a test server."
    TlsNeedsPss "tls.needs_pss" Server 409
        "Le serveur< {host}> exige une signature RSA-PSS, que votre carte CPS3 ne sait pas faire."
        "The server< {host}> demands an RSA-PSS signature, which your CPS3 card cannot make."
        "Utilisez une carte CPS4, ou demandez à l'exploitant d'accepter RSA PKCS#1 avec TLS 1.2."
        "Use a CPS4 card, or ask the operator to accept RSA PKCS#1 with TLS 1.2."
    TlsNeedsTls13 "tls.needs_tls13" Server 409
        "Le serveur< {host}> n'accepte que TLS 1.3, que votre carte CPS3 ne permet pas."
        "The server< {host}> accepts only TLS 1.3, which your CPS3 card does not allow."
        "Utilisez une carte CPS4, ou demandez à l'exploitant d'accepter aussi TLS 1.2."
        "Use a CPS4 card, or ask the operator to accept TLS 1.2 too."
    TlsNoClientAuth "tls.no_client_auth" Server 409
        "Le serveur< {host}> ne demande pas de certificat : votre carte ne lui sert à rien."
        "The server< {host}> does not ask for a certificate: your card is of no use to it."
        "Vérifiez l'adresse et le port du service."
        "Check the address and port of the service."
    TlsRevocationUnknown "tls.revocation_unknown" Server 502
        "Rien ne permet de savoir si le certificat du serveur< {host}> a été révoqué : aucune liste de révocation à jour n'a pu être obtenue."
        "Nothing tells whether the certificate of the server< {host}> has been revoked: no current revocation list could be fetched."
        "Vérifiez la connexion au réseau, puis recommencez ; « cps trust list » montre les listes."
        "Check the network connection, then try again; 'cps trust list' shows the lists."
    TlsServerExpired "tls.server_expired" Server 502
        "Le certificat du serveur< {host}> n'est pas valable à la date d'aujourd'hui."
        "The certificate of the server< {host}> is not valid today."
        "Vérifiez la date de l'ordinateur ; si elle est juste, signalez-le à l'exploitant du service."
        "Check the date of the computer; if it is right, report it to the operator of the service."
    TlsServerName "tls.server_name" Server 502
        "Le certificat présenté n'est pas celui du serveur< {host}>."
        "The certificate presented is not that of the server< {host}>."
        "N'insistez pas : vérifiez l'adresse, puis signalez-le à l'exploitant du service."
        "Do not insist: check the address, then report it to the operator of the service."
    TlsServerRevoked "tls.server_revoked" Server 502
        "Le certificat du serveur< {host}> a été révoqué."
        "The certificate of the server< {host}> has been revoked."
        "N'utilisez pas ce service et signalez-le à son exploitant."
        "Do not use this service, and report it to its operator."
    TlsServerUntrusted "tls.server_untrusted" Server 502
        "Le certificat du serveur< {host}> ne vient pas d'une autorité reconnue."
        "The certificate of the server< {host}> does not come from a trusted authority."
        "Vérifiez l'adresse ; pour un serveur de confiance, indiquez son autorité (anchors) dans sa section [[destination]]."
        "Check the address; for a server you trust, name its authority (anchors) in its [[destination]] section."
    TlsUnreachable "tls.unreachable" Server 502
        "Le serveur< {host}> ne répond pas< : {reason}>."
        "The server< {host}> does not answer<: {reason}>."
        "Vérifiez la connexion au réseau, l'adresse et le port, puis recommencez."
        "Check the network connection, the address and the port, then try again."
    TrustAbsent "trust.absent" Configuration 409
        "Aucune autorité de certification n'est présente : aucune carte ni aucun serveur ne peut être reconnu."
        "No certification authority is present: no card and no server can be recognised."
        "Importez les certificats de l'IGC-Santé : cps trust import FICHIER."
        "Import the certificates of the IGC-Santé: cps trust import FILE."
    TrustExpiring "trust.expiring" Configuration 409
        "Une autorité de certification a moins de trois ans devant elle< : fin le {date}>."
        "A certification authority has less than three years left<: it ends on {date}>."
        "Vérifiez si l'Agence du numérique en santé publie l'autorité qui la remplace, et mettez ce logiciel à jour."
        "See whether the Agence du numérique en santé publishes its successor, and update this software."
    TrustListStale "trust.list_stale" Configuration 409
        "Une liste de révocation n'est pas à jour< : {url}>."
        "A revocation list is out of date<: {url}>."
        "Vérifiez la connexion au réseau ; la liste est demandée de nouveau à la prochaine utilisation."
        "Check the network connection; the list is asked for again at the next use."
    TrustMalformed "trust.malformed" Caller 400
        "Le fichier ne contient pas de certificat lisible< : {reason}>."
        "The file holds no readable certificate<: {reason}>."
        "Fournissez un certificat au format DER, PEM ou P7B, tel que publié par l'Agence du numérique en santé."
        "Give a certificate in DER, PEM or P7B form, as published by the Agence du numérique en santé."
    TrustNotPinned "trust.not_pinned" Caller 403
        "Ce certificat n'est pas une autorité connue de l'IGC-Santé< (empreinte {fingerprint})> : il est refusé."
        "This certificate is not a known authority of the IGC-Santé< (fingerprint {fingerprint})>: it is refused."
        "Téléchargez les certificats sur le site officiel de l'IGC-Santé ; pour une autre autorité, voyez « anchors » dans la configuration."
        "Download the certificates from the official IGC-Santé site; for another authority, see 'anchors' in the configuration."
}
