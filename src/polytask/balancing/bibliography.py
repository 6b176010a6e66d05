"""BibTeX of every method."""

from __future__ import annotations


def _entry(kind: str, key: str, author: str, title: str, where: str, year: int, link: str) -> str:
    place = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[kind]
    fields = {"author": author, "title": "{" + title + "}", place: where, "year": str(year), "note": link}
    return f"@{kind}{{{key},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"


_XIN = _entry(
    "inproceedings", "xin2022", "Xin, Derrick and Ghorbani, Behrooz and Gilmer, Justin and Garg, Ankush and "
    "Firat, Orhan",
    "Do Current Multi-Task Optimization Methods in Deep Learning Even Help?", "NeurIPS", 2022, "arXiv:2209.11379",
)  # fmt: skip
_KURIN = _entry(
    "inproceedings", "kurin2022", "Kurin, Vitaly and De Palma, Alessandro and Kostrikov, Ilya and Whiteson, Shimon and "
    "Kumar, M. Pawan", "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", "NeurIPS", 2022,
    "arXiv:2201.04122",
)  # fmt: skip
_NASH = _entry(
    "inproceedings", "navon2022", "Navon, Aviv and Shamsian, Aviv and Achituve, Idan and Maron, Haggai and Kawaguchi, "
    "Kenji and Chechik, Gal and Fetaya, Ethan", "Multi-Task Learning as a Bargaining Game", "ICML", 2022,
    "arXiv:2202.01017",
)  # fmt: skip
_IMTL = _entry(
    "inproceedings", "liu2021imtl", "Liu, Liyang and Li, Yi and Kuang, Zhanghui and Xue, Jing-Hao and Chen, Yimin and "
    "Yang, Wenming and Liao, Qingmin and Zhang, Wayne", "Towards Impartial Multi-task Learning", "ICLR", 2021,
    "https://openreview.net/forum?id=IMPnRXEWpvr",
)  # fmt: skip
_JD = _entry(
    "misc", "quinton2024", "Quinton, Pierre and Rey, Val{\\'e}rian",
    "Jacobian Descent for Multi-Objective Optimization",
    "arXiv", 2024, "arXiv:2406.16232",
)  # fmt: skip

#: Entries by the name of the method.
BIBTEX: dict[str, tuple[str, ...]] = {
    "equal": (_XIN,),
    "static": (_KURIN, _XIN),
    "dwa": (
        _entry(
            "inproceedings", "liu2019", "Liu, Shikun and Johns, Edward and Davison, Andrew J.",
            "End-to-End Multi-Task Learning with Attention", "CVPR", 2019, "arXiv:1803.10704",
        ),
    ),
    "dtp": (
        _entry(
            "inproceedings", "guo2018", "Guo, Michelle and Haque, Albert and Huang, De-An and Yeung, Serena and "
            "Fei-Fei, Li", "Dynamic Task Prioritization for Multitask Learning", "ECCV", 2018,
            "doi:10.1007/978-3-030-01270-0_17",
        ),
    ),
    "gradnorm": (
        _entry(
            "inproceedings", "chen2018", "Chen, Zhao and Badrinarayanan, Vijay and Lee, Chen-Yu and Rabinovich, Andrew",
            "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", "ICML", 2018,
            "PMLR 80:794-803, arXiv:1711.02257",
        ),
    ),
    "uw": (
        _entry(
            "inproceedings", "kendall2018", "Kendall, Alex and Gal, Yarin and Cipolla, Roberto",
            "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics", "CVPR", 2018,
            "arXiv:1705.07115",
        ),
    ),
    "imtl_l": (_IMTL,),
    "imtl_g": (_IMTL, _JD),
    "imtl": (_IMTL, _JD),
    "scale_invariant": (_NASH,),
    "gls": (
        _entry(
            "inproceedings", "chennupati2019", "Chennupati, Sumanth and Sistu, Ganesh and Yogamani, Senthil and "
            "Rawashdeh, Samir", "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for "
            "Multi-Task Learning", "CVPR Workshops", 2019, "arXiv:1904.08492",
        ),
    ),
    "stch": (
        _entry(
            "inproceedings", "lin2024", "Lin, Xi and Zhang, Xiaoyuan and Yang, Zhiyuan and Liu, Fei and Wang, Zhenkun "
            "and Zhang, Qingfu", "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", "ICML", 2024,
            "arXiv:2402.19078",
        ),
    ),
    "cosmos": (
        _entry(
            "inproceedings", "ruchte2021", "Ruchte, Michael and Grabocka, Josif",
            "Scalable Pareto Front Approximation for Deep Multi-Objective Learning", "ICDM", 2021, "arXiv:2103.13392",
        ),
        _JD,
    ),
    "pbi": (
        _entry(
            "article", "zhang2007", "Zhang, Qingfu and Li, Hui",
            "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition",
            "IEEE Transactions on Evolutionary Computation", 2007, "11(6):712-731, doi:10.1109/TEVC.2007.892759",
        ),
        _JD,
    ),
    "rlw": (
        _entry(
            "article", "lin2022", "Lin, Baijiong and Ye, Feiyang and Zhang, Yu and Tsang, Ivor W.",
            "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning",
            "Transactions on Machine Learning Research", 2022, "arXiv:2111.10603",
        ),
    ),
    "famo": (
        _entry(
            "inproceedings", "liu2023", "Liu, Bo and Feng, Yihao and Stone, Peter and Liu, Qiang",
            "FAMO: Fast Adaptive Multitask Optimization", "NeurIPS", 2023, "arXiv:2306.03792",
        ),
    ),
    "db_mtl": (
        _entry(
            "misc", "lin2023", "Lin, Baijiong and Jiang, Weisen and Ye, Feiyang and Zhang, Yu and Chen, Pengguang and "
            "Chen, Ying-Cong and Liu, Shu and Kwok, James T.", "Dual-Balancing for Multi-Task Learning", "arXiv", 2023,
            "arXiv:2308.12029",
        ),
    ),
    "upgrad": (_JD,),
    "dual_proj": (
        _entry(
            "inproceedings", "lopezpaz2017", "Lopez-Paz, David and Ranzato, Marc'Aurelio",
            "Gradient Episodic Memory for Continual Learning", "NeurIPS", 2017, "arXiv:1706.08840",
        ),
        _JD,
    ),
    "pcgrad": (
        _entry(
            "inproceedings", "yu2020", "Yu, Tianhe and Kumar, Saurabh and Gupta, Abhishek and Levine, Sergey and "
            "Hausman, Karol and Finn, Chelsea", "Gradient Surgery for Multi-Task Learning", "NeurIPS", 2020,
            "arXiv:2001.06782",
        ),
        _JD,
    ),
    "gradvac": (
        _entry(
            "inproceedings", "wang2021", "Wang, Zirui and Tsvetkov, Yulia and Firat, Orhan and Cao, Yuan",
            "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual Models",
            "ICLR", 2021, "arXiv:2010.05874",
        ),
        _JD,
    ),
    "cagrad": (
        _entry(
            "inproceedings", "liu2021", "Liu, Bo and Liu, Xingchao and Jin, Xiaojie and Stone, Peter and Liu, Qiang",
            "Conflict-Averse Gradient Descent for Multi-task Learning", "NeurIPS", 2021, "arXiv:2110.14048",
        ),
        _JD,
    ),
    "mgda": (
        _entry(
            "inproceedings", "sener2018", "Sener, Ozan and Koltun, Vladlen",
            "Multi-Task Learning as Multi-Objective Optimization", "NeurIPS", 2018, "arXiv:1810.04650",
        ),
        _entry(
            "article", "desideri2012", "D{\\'e}sid{\\'e}ri, Jean-Antoine",
            "Multiple-gradient descent algorithm (MGDA) for "
            "multiobjective optimization", "Comptes Rendus Mathematique", 2012, "350(5-6):313-318",
        ),
        _JD,
    ),
    "aligned_mtl": (
        _entry(
            "inproceedings", "senushkin2023", "Senushkin, Dmitry and Patakin, Nikolay and Kuznetsov, Arseny and "
            "Konushin, Anton",
            "Independent Component Alignment for Multi-Task Learning", "CVPR", 2023, "arXiv:2305.19000",
        ),
        _JD,
    ),
    "nash_mtl": (_NASH, _JD),
    "fairgrad": (
        _entry(
            "inproceedings", "ban2024", "Ban, Hao and Ji, Kaiyi", "Fair Resource Allocation in Multi-Task Learning",
            "ICML", 2024, "arXiv:2402.15638",
        ),
        _JD,
    ),
    "config": (
        _entry(
            "inproceedings", "liu2025", "Liu, Qiang and Chu, Mengyu and Thuerey, Nils",
            "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", "ICLR", 2025,
            "arXiv:2408.11104",
        ),
        _JD,
    ),
    "pcd": (
        _entry(
            "article", "varam2026", "Varam, Dara and Alhajri, Mohamed I.",
            "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical Multi-Objective "
            "Optimization", "Transactions on Machine Learning Research", 2026, "arXiv:2606.29521",
        ),
        _JD,
    ),
    "excess_mtl": (
        _entry(
            "inproceedings", "he2024", "He, Yifei and Zhou, Shiji and Zhang, Guojun and Yun, Hyokun and Xu, Yi and "
            "Zeng, Belinda and Chilimbi, Trishul and Zhao, Han",
            "Robust Multi-Task Learning with Excess Risks", "ICML", 2024, "PMLR 235, arXiv:2402.02009",
        ),
    ),
    "cr_mogm": (
        _entry(
            "inproceedings", "zhou2022", "Zhou, Shiji and Zhang, Wenpeng and Jiang, Jiyan and Zhong, Wenliang and Gu, "
            "Jinjie and Zhu, Wenwu",
            "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond", "NeurIPS", 2022,
            "https://openreview.net/forum?id=ScwfQ7hdwyP",
        ),
        _JD,
    ),
    "graddrop": (
        _entry(
            "inproceedings", "chen2020", "Chen, Zhao and Ngiam, Jiquan and Huang, Yanping and Luong, Thang and "
            "Kretzschmar, Henrik and Chai, Yuning and Anguelov, Dragomir",
            "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", "NeurIPS", 2020,
            "arXiv:2010.06808",
        ),
    ),
}  # fmt: skip
