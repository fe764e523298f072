import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** A client by pgjdbc; ../README.md tells what it does. The name is resolved by the file of -Djdk.net.hosts.file. */
public final class Client {
    private static final long EVERY = 100;
    private static final Path FOLDER = Path.of(System.getenv("FOLDER"));

    private record Profile(String name, String mode, String authorities) {}

    private interface Work {
        void run() throws SQLException;
    }

    private static List<Profile> profiles() throws IOException {
        List<Profile> all = new ArrayList<>();
        for (String line : Files.readAllLines(FOLDER.resolve("profiles"))) {
            String[] words = line.split(" ");
            all.add(new Profile(words[0], words[1], words[2]));
        }
        return all;
    }

    private static Connection connect(Profile by) throws SQLException {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("LOGIN"));
        options.setProperty("password", System.getenv("PASSWORD"));
        options.setProperty("sslmode", by.mode());
        options.setProperty("connectTimeout", "5");
        options.setProperty("socketTimeout", "10");
        if (by.mode().startsWith("verify")) {
            options.setProperty("sslrootcert", by.authorities());
            options.setProperty("channelBinding", "require");
        }
        String url = "jdbc:postgresql://" + System.getenv("HOST") + ":" + System.getenv("PORT") + "/postgres";
        return DriverManager.getConnection(url, options);
    }

    private static void ask(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("select 1");
        }
    }

    private static void once(Profile by) throws SQLException {
        try (Connection connection = connect(by)) {
            ask(connection);
        }
    }

    private static boolean attempt(String name, Work work) {
        double now;
        try {
            work.run();
            now = System.currentTimeMillis() / 1000.0;
            System.out.println(name + " ok " + now);
            return true;
        } catch (SQLException error) {
            now = System.currentTimeMillis() / 1000.0;
            Throwable cause = error.getCause();
            String message = error.getMessage() + (cause == null ? "" : ": " + cause.getMessage());
            System.out.println(name + " err " + now + " " + message.replaceAll("\\s+", " "));
            return false;
        }
    }

    private static Connection keep(Connection kept, Profile by) {
        if (kept != null) {
            return attempt("kept", () -> ask(kept)) ? kept : null;
        }
        try {
            return connect(by);
        } catch (SQLException error) {
            return null;
        }
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Connection kept = null;
        while (!Files.exists(FOLDER.resolve("end"))) {
            long begin = System.currentTimeMillis();
            List<Profile> all = profiles();
            for (Profile by : all) {
                attempt(by.name(), () -> once(by));
            }
            kept = keep(kept, all.get(0));
            Thread.sleep(Math.max(0, begin + EVERY - System.currentTimeMillis()));
        }
        System.exit(0);
    }
}
