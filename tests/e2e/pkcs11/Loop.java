// Signs again and again, in several threads: java Loop.java CONFIGURATION THREADS TIMES
//
// Each thread signs TIMES times. A line for each signature.

import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;

class Loop {
    public static void main(String[] arguments) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore card = KeyStore.getInstance("PKCS11", provider);
        card.load(null, null);
        PrivateKey key = (PrivateKey) card.getKey(card.aliases().nextElement(), null);
        for (int thread = 0; thread < Integer.parseInt(arguments[1]); thread++) {
            new Thread(() -> {
                try {
                    for (int time = 0; time < Integer.parseInt(arguments[2]); time++) {
                        Signature signer = Signature.getInstance("SHA256withRSA", provider);
                        signer.initSign(key);
                        signer.sign();
                        System.out.println("signed");
                    }
                } catch (Exception error) {
                    error.printStackTrace();
                    System.exit(1);
                }
            }).start();
        }
    }
}
