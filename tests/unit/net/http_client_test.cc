#include "qeval/net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "fake_hub.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {
using testing::HasSubstr;
using testing::Not;

TEST(HttpClient, StatusesBecomeTypedErrors) {
  EXPECT_EQ(http_status_error(404, "http://a/b").kind, ErrorKind::not_found);
  EXPECT_EQ(http_status_error(401, "http://a/b").kind, ErrorKind::bad_input);
  EXPECT_EQ(http_status_error(418, "http://a/b").kind, ErrorKind::bad_input);
  EXPECT_EQ(http_status_error(429, "http://a/b").kind, ErrorKind::unavailable);
  EXPECT_EQ(http_status_error(503, "http://a/b").kind, ErrorKind::unavailable);
}

TEST(HttpClient, MessagesHideSecrets) {
  EXPECT_EQ(redacted_url("https://user:pass@host/a/b@c?token=x#y"), "https://host/a/b@c");
  EXPECT_EQ(redacted_url("https://host"), "https://host");
  EXPECT_EQ(redacted_url("https://user:pa/ss@host/x"), "https://user:pa/ss@host/x");  // not a user name: a path
  auto none = http_get({"http://user:secret@127.0.0.1:9/x?key=secret"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, Not(HasSubstr("secret")));
}

TEST(HttpClient, RefusesWhatIsNoWebAddress) {
  for (const char* url : {"file:///etc/passwd", "ftp://host/x", "", "nonsense://", "gopher://x"}) {
    auto none = http_get({url});
    ASSERT_FALSE(none) << url;
    EXPECT_EQ(none.error().kind, ErrorKind::bad_input) << url << " " << none.error().message;
  }
  HttpRequest request{"http://127.0.0.1:9/"};
  request.headers = {{"X-A", "b\r\nX-Injected: c"}};
  EXPECT_EQ(http_get(request).error().kind, ErrorKind::bad_input);
}

TEST(HttpClient, NoConnectionIsUnavailable) {
  EXPECT_EQ(http_get({"http://127.0.0.1:9/"}).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(http_get({"http://no-such-host.invalid/"}).error().kind, ErrorKind::unavailable);
}

TEST(HttpClient, BodiesAreBounded) {
  FakeHub server;
  HttpRequest request{server.url + "/org/model/resolve/main/tiny-Q8_0.gguf"};
  request.max_bytes = 1000;
  auto large = http_get(request);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(large.error().message, HasSubstr("larger than 1000"));
  EXPECT_THAT(large.error().message, Not(HasSubstr("SECRET")));
}

TEST(HttpClient, HeadSeesTheRedirectItself) {
  FakeHub server;
  HttpRequest request{server.url + "/org/model/resolve/main/tiny-Q8_0.gguf"};
  request.head = true;
  request.follow_redirects = false;
  auto answer = http_send(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->header("x-linked-size"), "1024000");
  request.follow_redirects = true;
  answer = http_send(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->header("x-linked-size"), "");
  EXPECT_EQ(answer->header("content-length"), "1024000");
}

TEST(HttpDownload, WithoutAHashAnOldRestIsNotTrusted) {
  FakeHub server;
  ScratchDir scratch;
  std::string path = scratch.path + "/sub/file";
  std::filesystem::create_directories(scratch.path + "/sub");
  std::ofstream(path + ".incomplete") << "stale";
  auto done = http_download({{server.url + "/org/model/resolve/main/config.json"}, path});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_FALSE(done->resumed);
  EXPECT_EQ(*read_file(path), "{\"model_type\": \"qwen2\"}\n");
  EXPECT_EQ(done->sha256, *sha256_file(path));
}

TEST(HttpDownload, TwoAtOnceFetchOnce) {
  FakeHub server;
  ScratchDir scratch;
  DownloadRequest request{{server.url + "/org/model/resolve/main/tiny-Q8_0.gguf"}, scratch.path + "/file"};
  Result<Download> results[4];
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = http_download(request); });
  for (auto& thread : threads) thread.join();
  for (auto& result : results) {
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->sha256, results[0]->sha256);
  }
  EXPECT_EQ(server.n_requests("storage"), 1U);
  EXPECT_FALSE(file_exists(request.path + ".incomplete"));
}

TEST(HttpDownload, AFullDiskIsSaid) {
  if (!file_exists("/dev/full")) GTEST_SKIP();
  FakeHub server;
  auto none = http_download({{server.url + "/org/model/resolve/main/config.json"}, "/proc/self/nowhere/file"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::environment);
  ScratchDir scratch;
  std::filesystem::create_symlink("/dev/full", scratch.path + "/file.incomplete");
  none = http_download({{server.url + "/org/model/resolve/main/tiny-Q8_0.gguf"}, scratch.path + "/file"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::environment) << none.error().message;
}

TEST(UrlEscape, KeepsOnlyUnreserved) { EXPECT_EQ(url_escape("a b/ü~"), "a%20b%2F%C3%BC~"); }

TEST(Loopback, IsThisMachineAndNothingThatLooksLikeIt) {
  for (const char* url : {"http://127.0.0.1:8000/x", "http://localhost", "https://localhost:1/", "http://[::1]:8000", "http://user:a@127.1.2.3/"})
    EXPECT_TRUE(loopback_url(url)) << url;
  for (const char* url : {"http://127.evil.example@host.example/", "http://localhost.example/", "http://10.0.0.1/127.0.0.1"})
    EXPECT_FALSE(loopback_url(url)) << url;
}

}  // namespace
}  // namespace qeval
