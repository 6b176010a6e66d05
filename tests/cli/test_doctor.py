import json

from small_table import assert_refused, polytask


def test_findings_of_a_run(fitted):
    result = polytask("doctor", fitted.run, "--json")
    assert result.exit_code == 0, result.output
    findings = json.loads(result.stdout)
    assert all(set(finding) == {"kind", "tasks", "evidence", "advice"} for finding in findings)
    text = polytask("doctor", fitted.run)
    assert text.exit_code == 0
    assert all(finding["kind"] in text.stdout for finding in findings)


def test_not_a_run(tmp_path):
    assert_refused(polytask("doctor", tmp_path), "not a run")


def test_not_finished(run_copy):
    (run_copy / "results.json").unlink()
    assert_refused(polytask("doctor", run_copy), "not finished", "--resume")
