// A Java program that knows the card as a KeyStore of SunPKCS11.
//
// usage: java Card.java CONFIGURATION sign ALGORITHM     signs, and verifies with another provider
//        java Card.java CONFIGURATION decrypt            encrypts with another provider, decrypts
//        java Card.java CONFIGURATION open URL ANCHORS   opens a page that demands the certificate

import java.io.FileInputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import javax.crypto.Cipher;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

class Card {
    public static void main(String[] arguments) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore card = KeyStore.getInstance("PKCS11", provider);
        card.load(null, null);
        switch (arguments[1]) {
            case "sign" -> sign(provider, card, arguments[2]);
            case "decrypt" -> decrypt(provider, card);
            case "open" -> open(card, new URL(arguments[2]), arguments[3]);
            default -> throw new IllegalArgumentException(arguments[1]);
        }
    }

    private static void sign(Provider provider, KeyStore card, String algorithm) throws Exception {
        for (String alias : Collections.list(card.aliases())) {
            if (!card.isKeyEntry(alias)) {
                continue;
            }
            Certificate[] chain = card.getCertificateChain(alias);
            X509Certificate certificate = (X509Certificate) chain[0];
            System.out.println(chain.length + " " + certificate.getSubjectX500Principal().getName());
            byte[] message = "un texte a signer".getBytes(StandardCharsets.UTF_8);
            Signature signer = Signature.getInstance(algorithm, provider);
            signer.initSign((PrivateKey) card.getKey(alias, null));
            signer.update(message);
            byte[] signature = signer.sign();
            Signature verifier = Signature.getInstance(algorithm, "SunRsaSign");
            verifier.initVerify(certificate.getPublicKey());
            verifier.update(message);
            System.out.println("verified: " + verifier.verify(signature));
        }
    }

    private static void decrypt(Provider provider, KeyStore card) throws Exception {
        String alias = Collections.list(card.aliases()).get(0);
        Cipher encryption = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
        encryption.init(Cipher.ENCRYPT_MODE, card.getCertificate(alias).getPublicKey());
        byte[] cryptogram = encryption.doFinal("secret".getBytes(StandardCharsets.UTF_8));
        Cipher decryption = Cipher.getInstance("RSA/ECB/PKCS1Padding", provider);
        decryption.init(Cipher.DECRYPT_MODE, card.getKey(alias, null));
        System.out.println(new String(decryption.doFinal(cryptogram), StandardCharsets.UTF_8));
    }

    private static void open(KeyStore card, URL url, String anchors) throws Exception {
        KeyStore authorities = KeyStore.getInstance("PKCS12");
        authorities.load(null, null);
        try (FileInputStream file = new FileInputStream(anchors)) {
            CertificateFactory x509 = CertificateFactory.getInstance("X.509");
            for (Certificate authority : new ArrayList<>(x509.generateCertificates(file))) {
                authorities.setCertificateEntry("authority " + authorities.size(), authority);
            }
        }
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(authorities);
        KeyManagerFactory own = KeyManagerFactory.getInstance("NewSunX509");
        own.init(card, null);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
        HttpsURLConnection connection = (HttpsURLConnection) url.openConnection();
        connection.setSSLSocketFactory(tls.getSocketFactory());
        System.out.println("status: " + connection.getResponseCode());
    }
}
