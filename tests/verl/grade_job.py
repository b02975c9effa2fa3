"""Grades programs and an answer at the same time in a worker of Ray, as verl's reward loop does; prints the scores."""

import asyncio
import json
import tempfile

import ray

TESTS = json.dumps({"inputs": ["1\n", "5\n"], "outputs": ["2\n", "6\n"]})
RIGHT = "```python\nprint(int(input()) + 1)\n```"
HALF = "```python\nprint(2)\n```"
# Would end the worker, or read what is none of its business.
HOSTILE = "```python\nimport os\nos.kill(os.getppid(), 9)\nprint(open('/etc/passwd').read())\n```"


@ray.remote
def grade() -> list[float]:
    from spro.plugins.verl.reward import compute_score

    def score(response: str, truth: str) -> float:
        return compute_score("any", response, truth)["score"]

    async def together() -> list[float]:
        asked = [(RIGHT, TESTS), (HALF, TESTS), (HOSTILE, TESTS), (r"\boxed{\frac{1}{2}}", "0.5"), (RIGHT, TESTS)]
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, score, *one) for one in asked))

    return asyncio.run(together())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as temporary:
        ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, _temp_dir=temporary)
        print("scores", json.dumps(ray.get(grade.remote())))
        ray.shutdown()
